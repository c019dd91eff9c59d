// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a person can do to a volume (grow, verify, pause the copying, replace a
// failed copy), how its verify stands, and the unit's settings for all of them.
import { html, useState } from '../lib.js';
import { request, post, part, may } from '../api.js';
import { t, word, bytes, number } from '../i18n.js';
import { connection, refresh, useLive } from '../live.js';
import { toast, toastError } from '../ui/toasts.js';
import { openDialog, Confirm } from '../ui/dialog.js';
import { Button, Card, Facts, Field, Progress, Time } from '../ui/parts.js';
import { State } from '../ui/state.js';

const GIB = 1024 * 1024 * 1024;

// Why can't 'command' be used on this volume?  null: it can.
function whyNot(volume, command) {
	if (connection.get() === 'lost')
		return t('why.lost');
	if (!may(command === 'grow' ? 'vm-manager' : 'platform-manager'))
		return t('why.role');
	return (volume.commands || []).includes(command) ? null
		: t('why.volume', { activity: word('activity.volume', volume.activity) });
}

async function act(volume, verb, said, body) {
	await post(`/volumes/${part(volume.id)}/${verb}`, body);
	refresh('volumes', 'alerts');
	toast('good', t(said, { name: volume.name }));
}

const tell = (volume, verb, said) => act(volume, verb, said).catch(toastError);

function Verify({ volume, close }) {
	const [repair, setRepair] = useState(false);
	return html`<${Confirm} close=${close} kind="primary" title=${t('ask.verify', { name: volume.name })} verb=${t('do.verify')}
		run=${() => act(volume, 'verify', 'did.verify', { repair })}>
		<p>${t('ask.verifyText')}</p>
		<label class="check"><input type="checkbox" name="repair" checked=${repair}
			onChange=${(e) => setRepair(e.target.checked)} /> ${t('ask.verifyRepair')}</label>
	<//>`;
}

function Grow({ volume, close }) {
	const now = volume.size_bytes / GIB;
	const [size, setSize] = useState(String(now));
	const wanted = Math.round(Number(size) * GIB);
	const why = Number.isFinite(wanted) && wanted > volume.size_bytes ? null : t('why.larger', { size: bytes(volume.size_bytes) });
	return html`<${Confirm} close=${close} kind="primary" title=${t('ask.grow', { name: volume.name })} verb=${t('do.grow')} why=${why}
		run=${() => act(volume, 'grow', 'did.grow', { size_bytes: wanted })}>
		<p>${t('ask.growText')}</p>
		<${Field} label=${t('field.newSize')}>${(p) => html`<input ...${p} type="text" name="size" inputmode="decimal" autofocus
			value=${size} onInput=${(e) => setSize(e.target.value)} />`}<//>
	<//>`;
}

function Replace({ volume, close }) {
	return html`<${Confirm} close=${close} title=${t('ask.replace', { name: volume.name, node: volume.failed_leg })} verb=${t('do.replace')}
		run=${() => act(volume, 'replace-leg', 'did.replace')}>
		<p>${t('ask.replaceText', { node: volume.failed_leg })}</p>
	<//>`;
}

const ask = (What, volume) => openDialog((close) => html`<${What} volume=${volume} close=${close} />`);

export function VolumeTools({ volume: v }) {
	const busy = ['running', 'waiting'].includes((v.verify || {}).state);
	const tool = (command, text, run) => html`<${Button} small why=${whyNot(v, command)} onClick=${run}
		label=${t('do.of', { verb: t(text), name: v.name })}>${t(text)}<//>`;
	return html`<div class="row-tools">
		${v.failed_leg && tool('replace-leg', 'do.replace', () => ask(Replace, v))}
		${busy ? tool('verify-cancel', 'do.verifyCancel', () => tell(v, 'verify-cancel', 'did.verifyCancel'))
			: tool('verify', 'do.verify', () => ask(Verify, v))}
		${v.resync_paused ? tool('resync-resume', 'do.resume', () => tell(v, 'resync-resume', 'did.resume'))
			: v.activity === 'syncing' && tool('resync-pause', 'do.pause', () => tell(v, 'resync-pause', 'did.pause'))}
		${tool('grow', 'do.grow', () => ask(Grow, v))}
	</div>`;
}

// A line about the verify, the pause, the growing, the failed copy.
export function VolumeCare({ volume: v }) {
	const y = v.verify || {};
	return html`${v.failed_leg && html`<div class="small care"><${State} kind="leg" state="critical"
			label=${t('volume.failed', { node: v.failed_leg })} /></div>`}
		${v.growing && html`<div class="small dim">${t('volume.growing')}</div>`}
		${v.resync_paused && html`<div class="small care"><${State} kind="leg" state="alert" label=${t('volume.paused')} /></div>`}
		${(y.state === 'running' || y.state === 'waiting') && html`<div class="small">${t('volume.verifying')}
			<${Progress} percent=${y.percent} label=${t('volume.verifyOf', { name: v.name })} /></div>`}
		${y.state === 'done' && html`<div class="small ${y.found ? '' : 'dim'}">${y.found
			? t('volume.verifyFound', { found: number(y.found), repaired: number(y.repaired) }) : t('volume.verifyGood')}
			${' '}<${Time} utc=${y.ended_utc} /></div>`}
		${y.state === 'failed' && html`<div class="small">${t('volume.verifyFailed', { reason: y.reason || '' })}</div>`}`;
}

/* --- settings ------------------------------------------------------------- */

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

function Settings({ unit, close }) {
	const s = unit.verify_schedule;
	const [every, setEvery] = useState(s.every);
	const [day, setDay] = useState(s.day);
	const [hour, setHour] = useState(String(s.hour));
	const [repair, setRepair] = useState(s.repair);
	const [rate, setRate] = useState(String(unit.resync_rate_kib_s / 1024));
	const hourOk = /^\d{1,2}$/.test(hour) && Number(hour) < 24;
	const kib = Math.round(Number(rate) * 1024);
	const why = !hourOk ? t('why.hour') : Number.isFinite(kib) && kib >= 0 && rate.trim() !== '' ? null : t('why.rate');
	const run = async () => {
		await request('PATCH', '/unit', { body: { resync_rate_kib_s: kib, verify_schedule: { every, day, hour: Number(hour), repair } } });
		refresh('unit');
		toast('good', t('did.settings'));
	};
	return html`<${Confirm} close=${close} kind="primary" title=${t('ask.settings')} verb=${t('do.save')} run=${run} why=${why}>
		<${Field} label=${t('settings.rate')} hint=${t('settings.rateHint')}>${(p) => html`<input ...${p} type="text" name="rate"
			inputmode="decimal" value=${rate} onInput=${(e) => setRate(e.target.value)} />`}<//>
		<${Field} label=${t('settings.verify')}>${(p) => html`<select ...${p} name="every" value=${every} onChange=${(e) => setEvery(e.target.value)}>
			${['off', 'weekly', 'monthly'].map((w) => html`<option key=${w} value=${w}>${t(`every.${w}`)}</option>`)}</select>`}<//>
		${every !== 'off' && html`<${Field} label=${t('settings.day')}>${(p) => html`<select ...${p} name="day" value=${day} onChange=${(e) => setDay(e.target.value)}>
			${days.map((d) => html`<option key=${d} value=${d}>${t(`day.${d}`)}</option>`)}</select>`}<//>
		<${Field} label=${t('settings.hour')}>${(p) => html`<input ...${p} type="text" name="hour" inputmode="numeric" value=${hour}
			onInput=${(e) => setHour(e.target.value)} />`}<//>
		<label class="check"><input type="checkbox" name="repair" checked=${repair} onChange=${(e) => setRepair(e.target.checked)} />
			${' '}${t('ask.verifyRepair')}</label>`}
	<//>`;
}

export function CareSettings() {
	const { data: unit } = useLive('unit');
	if (!unit || !unit.verify_schedule)
		return null;
	const s = unit.verify_schedule;
	const why = connection.get() === 'lost' ? t('why.lost') : may('platform-manager') ? null : t('why.role');
	return html`<${Card} title=${t('settings.title')} tools=${html`<${Button} small why=${why}
			onClick=${() => openDialog((close) => html`<${Settings} unit=${unit} close=${close} />`)}>${t('do.change')}<//>`}>
		<${Facts} rows=${[
		[t('settings.rate'), unit.resync_rate_kib_s ? t('settings.perSecond', { size: bytes(unit.resync_rate_kib_s * 1024) }) : t('settings.noRate')],
		[t('settings.verify'), s.every === 'off' ? t('every.off')
			: t('settings.when', { every: t(`every.${s.every}`), day: t(`day.${s.day}`), hour: String(s.hour) })],
		[t('settings.repair'), s.repair ? t('common.yes') : t('common.no')],
	]} /><//>`;
}
