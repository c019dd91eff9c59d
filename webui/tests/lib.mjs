// SPDX-License-Identifier: GPL-2.0-or-later
//
// What both suites stand on: cases, a browser, a cable that can be cut.
import net from 'node:net';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const CASE_MS = 60000;

const cases = [];
export const test = (name, fn, ms = CASE_MS) => cases.push({ name, fn, ms });

export function ok(what, text) {
	if (!what)
		throw new Error(text);
}

export function same(got, wanted, text) {
	if (got !== wanted)
		throw new Error(`${text}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

export const startBrowser = () => chromium.launch({
	executablePath: process.env.CHROMIUM,
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
});

// A page of its own for one case.  What the page did wrong is in page.wrongs.
export async function openPage(browser, url, options = {}) {
	const context = await browser.newContext({
		ignoreHTTPSErrors: true, locale: 'en-GB', timezoneId: 'Asia/Tokyo',
		viewport: { width: 1280, height: 860 }, ...options,
	});
	context.setDefaultTimeout(10000);
	const page = await context.newPage();
	page.wrongs = [];
	page.on('pageerror', (e) => page.wrongs.push(`page error: ${e.stack}`));
	page.on('console', (m) => {
		if (/content security policy|refused to/i.test(m.text()))
			page.wrongs.push(m.text());
	});
	await page.goto(url);
	return page;
}

export async function logIn(page, user, password) {
	await page.fill('input[name=username]', user);
	await page.fill('input[name=password]', password);
	await page.keyboard.press('Enter');
	await page.waitForSelector('.frame nav');
}

// Goes to a page of the console and waits until it shows data.
export async function visit(page, path) {
	await page.evaluate((p) => {
		location.hash = p;
	}, path);
	await page.waitForSelector('main h1');
	await page.waitForFunction(() => !document.querySelector('main .empty[role=status]'));
}

// -> the accessibility rules that the page breaks, in words; empty = none
export async function axe(page) {
	await page.evaluate(axeSource);
	const result = await page.evaluate(() => globalThis.axe.run(document, {
		runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
	}));
	return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.any.map((a) => a.message).join('; ')}`).slice(0, 4).join(' | ')}`);
}

// A cable to 'port': cut(false) refuses and resets, cut(true) swallows
// everything in silence, as a machine does that lost its power.
export async function cable(port) {
	let state = 'whole';
	const pairs = new Set();
	const server = net.createServer((a) => {
		if (state === 'cut') {
			a.destroy();
			return;
		}
		const pair = { a, b: null };
		pairs.add(pair);
		a.on('error', () => {});
		a.on('close', () => {
			pairs.delete(pair);
			if (pair.b)
				pair.b.destroy();
		});
		if (state === 'silent')
			return;
		const b = net.connect(port, '127.0.0.1');
		pair.b = b;
		b.on('error', () => a.destroy());
		b.on('close', () => state !== 'silent' && a.destroy());
		a.on('data', (d) => state === 'whole' && b.write(d));
		b.on('data', (d) => state === 'whole' && a.write(d));
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	return {
		port: server.address().port,
		cut(silent) {
			state = silent ? 'silent' : 'cut';
			if (!silent)
				for (const p of pairs)
					p.a.destroy();
		},
		mend() {
			for (const p of pairs)
				p.a.destroy();
			state = 'whole';
		},
		end() {
			server.close();
			for (const p of pairs)
				p.a.destroy();
		},
	};
}

function limit(promise, ms) {
	let timer;
	const late = new Promise((_, no) => {
		timer = setTimeout(() => no(new Error(`took longer than ${ms} ms`)), ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Runs all cases one after the other; make(case) -> {page, ...} for each, and
// each gets a fresh one.  -> true when all passed
export async function runAll(make) {
	const only = process.env.ONLY ? new RegExp(process.env.ONLY) : null;
	let good = true;
	for (const c of cases.filter((x) => !only || only.test(x.name))) {
		let has = null;
		try {
			has = await make(c);
			await limit(c.fn(has), c.ms);
			if (has.page && has.page.wrongs.length > 0)
				throw new Error(has.page.wrongs.join('\n'));
			console.log(`ok ${c.name}`);
		} catch (e) {
			if (e.skip) {
				console.log(`skip ${c.name} ${e.message}`);
			} else {
				good = false;
				console.log(`not ok ${c.name}`);
				console.error(`${c.name}: ${e.stack || e}`);
				if (process.env.SHOTS && has && has.page)
					await has.page.screenshot({ path: `${process.env.SHOTS}/${c.name}.png`, fullPage: true }).catch(() => {});
			}
		}
		if (has && has.page)
			await has.page.context().close().catch(() => {});
	}
	return good;
}

export function skip(why) {
	const e = new Error(`until=2027-05-31 ${why}`);
	e.skip = true;
	throw e;
}
