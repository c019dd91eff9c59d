// SPDX-License-Identifier: GPL-2.0-or-later
//
// Words, times and sizes in the person's language.
//
// The texts are in locale/LANG.json, flat, by key, with {param} places.  A
// choice that depends on a number has the keys NAME.one and NAME.other.
import { signal, kept } from './lib.js';

export const languages = { en: 'English', ja: '日本語' };
export const language = signal('en');
let texts = {};
let fallback = {};
let agentTexts = {};

async function load(name) {
	const r = await fetch(`locale/${name}.json`, { cache: 'no-cache' });
	return r.ok ? r.json() : {};
}

function wanted() {
	const stored = kept.get('language');
	if (stored in languages)
		return stored;
	for (const l of navigator.languages || []) {
		const two = l.slice(0, 2).toLowerCase();
		if (two in languages)
			return two;
	}
	return 'en';
}

export async function startLanguage() {
	fallback = await load('en');
	await useLanguage(wanted(), false);
}

// remember: the person chose it, keep it for the next visit
export async function useLanguage(lang, remember = true) {
	[texts, agentTexts] = lang === 'en' ? [fallback, {}]
		: await Promise.all([load(lang), load(`${lang}.agent`)]);
	if (remember)
		kept.set('language', lang);
	document.documentElement.lang = lang;
	language.set(lang);
}

export function has(key) {
	return key in texts || key in fallback;
}

const fill = (text, params) => text.replace(/\{(\w+)\}/g, (whole, name) =>
	(name in params ? String(params[name]) : whole));

export const t = (key, params = {}) => fill(texts[key] ?? fallback[key] ?? key, params);

// What the agent says, in this language; null: take its own words (said.js).
// Without all the params that the text needs it is of no use.
export function agentText(key, params) {
	const text = agentTexts[key] && fill(agentTexts[key], params || {});
	return text && !/\{\w+\}/.test(text) ? text : null;
}

export const tn = (key, n, params = {}) =>
	t(`${key}.${n === 1 ? 'one' : 'other'}`, { n, ...params });

// A word that a state, role or code stands for; the code itself when we have none.
export const word = (kind, code) => (has(`${kind}.${code}`) ? t(`${kind}.${code}`) : String(code));

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(n) {
	if (n === null || n === undefined)
		return '–';
	let i = 0;
	let v = n;
	while (v >= 1024 && i < units.length - 1) {
		v /= 1024;
		i++;
	}
	const digits = i === 0 || v >= 100 || Number.isInteger(v) ? 0 : 1;
	return `${number(v, digits)} ${units[i]}`;
}

export function number(v, digits = 0) {
	return new Intl.NumberFormat(language.get(), { maximumFractionDigits: digits }).format(v);
}

export function time(utc) {
	const d = new Date(utc);
	if (!utc || Number.isNaN(d.getTime()))
		return '–';
	const today = new Date().toDateString() === d.toDateString();
	return new Intl.DateTimeFormat(language.get(), today
		? { hour: '2-digit', minute: '2-digit', second: '2-digit' }
		: { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })
		.format(d);
}

// The same moment in full, in UTC: what a title shows.
export function timeUtc(utc) {
	const d = new Date(utc);
	return Number.isNaN(d.getTime()) ? '' : d.toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}

export function duration(seconds) {
	if (seconds === null || seconds === undefined)
		return '–';
	const s = Math.round(seconds);
	if (s < 60)
		return t('time.s', { s });
	if (s < 3600)
		return t('time.ms', { m: Math.floor(s / 60), s: s % 60 });
	if (s < 86400)
		return t('time.hm', { h: Math.floor(s / 3600), m: Math.floor(s % 3600 / 60) });
	return t('time.dh', { d: Math.floor(s / 86400), h: Math.floor(s % 86400 / 3600) });
}

// "1.2 s" for the short times of a takeover
export const milliseconds = (ms) => (ms === null || ms === undefined
	? '–' : t('time.seconds', { s: number(ms / 1000, ms < 10000 ? 2 : 1) }));
