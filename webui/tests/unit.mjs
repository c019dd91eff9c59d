// SPDX-License-Identifier: GPL-2.0-or-later
//
// The browser console of a whole unit: what only a real one can show.
//
//   node unit.mjs --url URL --user USER --password-file FILE | --password WORD
//	[--power-off-cmd COMMAND --power-on-cmd COMMAND]
//
// Its VM is its own, made from the smallest image that the unit has, and is
// removed again.  A PM is powered off only when the commands are given; the
// VM's PM goes, so the commands get its name as their last argument.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test, ok, skip, startBrowser, openPage, logIn, visit, runAll } from './lib.mjs';

const args = {};
for (let i = 2; i < process.argv.length; i += 2)
	args[process.argv[i].replace(/^--/, '')] = process.argv[i + 1];
const password = args['password-file'] ? readFileSync(args['password-file'], 'utf8').trim() : args.password;
if (!args.url || !args.user || !password) {
	console.error('usage: run --url URL --user USER --password-file FILE [--power-off-cmd C --power-on-cmd C]');
	process.exit(2);
}
const url = args.url.replace(/\/*$/, '/');
const BOOT_MS = 180000, TAKEOVER_MS = 60000, REPAIR_MS = 300000;
const NAME = `画面テスト ${process.pid}`;

const get = (page, path) => page.evaluate(async (p) => (await fetch(`/api/v1${p}`, { headers: { 'X-Background': '1' } })).json(), path);
const button = (page, name) => page.getByRole('button', { name, exact: true }).first();
const state = (page, word, ms) => page.locator('.page-head .state', { hasText: word }).waitFor({ timeout: ms });
const mine = async (page) => (await get(page, '/vms')).find((v) => v.name === NAME);

function shell(command, node) {
	return new Promise((done, no) => {
		const c = spawn('/bin/sh', ['-c', `${command} "$1"`, 'sh', node], { stdio: ['ignore', 'ignore', 'inherit'] });
		c.on('error', no);
		c.on('exit', (rc) => (rc === 0 ? done() : no(new Error(`'${command} ${node}' ended with ${rc}`))));
	});
}

async function ownVm(page) {
	const vm = await mine(page);
	ok(vm, `there is no VM '${NAME}': it wasn't made`);
	await visit(page, `/vms/${vm.id}`);
	return vm;
}

test('dashboard', async ({ page }) => {
	await page.locator('.pm').nth(1).waitFor();
	const nodes = await get(page, '/nodes');
	for (const [i, n] of nodes.entries())
		ok((await page.locator('.pm').nth(i).textContent()).includes(n.name), `${n.name} is drawn`);
	ok(await page.locator('.pm .star').count() === 1, 'one PM is the primary');
	ok(await page.locator('.plate').count() >= 1, 'the links are drawn');
});

test('every-page', async ({ page }) => {
	for (const p of ['/vms', '/nodes', '/volumes', '/networks', '/alerts', '/audit']) {
		await visit(page, p);
		ok(await page.locator('main [role=alert]').count() === 0, `${p} shows an error`);
		const all = await page.locator('body').innerText();
		ok(!/undefined|NaN|\[object/.test(all), `${p} shows undefined`);
	}
});

test('create-and-start', async ({ page }) => {
	const images = await get(page, '/images');
	if (images.length === 0)
		skip('the unit has no image');
	const image = images.sort((a, b) => a.size_bytes - b.size_bytes)[0];
	await visit(page, '/vms/create');
	await page.fill('input[name=name]', NAME);
	await button(page, 'Next').click();
	await page.fill('input[name=memory]', '300');
	await page.getByLabel('Unit of Memory').selectOption('MiB');
	await button(page, 'Next').click();
	await page.fill('input[name=size0]', String(Math.ceil(image.size_bytes / 2 ** 20)));
	await page.getByLabel('Unit of Size').selectOption('MiB');
	await page.selectOption('select[name=image0]', image.name);
	await button(page, 'Next').click();
	await button(page, 'Next').click();
	await button(page, 'Create').click();
	await page.getByRole('heading', { name: NAME, exact: true }).waitFor();
	await state(page, /Running|Booting/, BOOT_MS);
}, BOOT_MS + 60000);

test('screen', async ({ page }) => {
	await ownVm(page);
	await button(page, 'Screen').click();
	await page.locator('[data-phase=shown] canvas').waitFor({ timeout: 20000 });
});

// The page is open while the VM's PM loses its power.
test('power-off-of-a-pm', async ({ page }) => {
	if (!args['power-off-cmd'] || !args['power-on-cmd'])
		skip('no --power-off-cmd');
	const { node: gone, id } = await ownVm(page);
	const other = gone === 'node0' ? 'node1' : 'node0';
	await page.evaluate(() => {
		globalThis.sameDocument = true;		// a reload would lose this
	});
	await state(page, /Running|Booting/, BOOT_MS);
	try {
		const began = Date.now();
		await shell(args['power-off-cmd'], gone);
		await page.locator('.facts dd', { hasText: new RegExp(`^${other}`) }).first().waitFor({ timeout: TAKEOVER_MS });
		console.error(`power-off-of-a-pm: the page showed the VM on ${other} ${Date.now() - began} ms after the command began`);
		await state(page, /Running|Booting/, BOOT_MS);
		await page.locator('.lost').waitFor({ state: 'detached', timeout: TAKEOVER_MS });
		await visit(page, '/');
		await page.locator('.pm.critical', { hasText: gone }).waitFor({ timeout: TAKEOVER_MS });
		await page.locator('.pm', { hasText: other }).locator('.pic-vm', { hasText: NAME }).waitFor({ timeout: TAKEOVER_MS });
		await page.locator('.unit-says .notice:not(.good)').waitFor();
		await page.locator('.alert-item ol li').first().waitFor({ timeout: TAKEOVER_MS });
		ok(await page.evaluate(() => globalThis.sameDocument), 'without a reload');
		ok(await page.locator('input[name=password]').count() === 0, 'without a new login');
	} finally {
		await shell(args['power-on-cmd'], gone);
	}
	await page.locator('.pm.good', { hasText: gone }).waitFor({ timeout: REPAIR_MS });
	await visit(page, `/vms/${id}`);
	await state(page, 'Running', REPAIR_MS);
}, BOOT_MS + REPAIR_MS + 3 * TAKEOVER_MS);

test('poweroff-and-remove', async ({ page }) => {
	await ownVm(page);
	await button(page, 'Power off').click();
	await page.locator('dialog').getByRole('button', { name: 'Power off' }).click();
	await state(page, 'Stopped', 60000);
	await page.waitForFunction(() => [...document.querySelectorAll('.btn')].some((b) => b.textContent.includes('Remove') && !b.hasAttribute('aria-disabled')));
	await button(page, 'Remove').click();
	await page.locator('dialog input').fill(NAME);
	await page.locator('dialog').getByRole('button', { name: 'Remove' }).click();
	await page.getByText(`“${NAME}” is removed.`).waitFor();
	ok(!(await mine(page)), 'the VM is gone');
}, 120000);

test('audit-names-the-user', async ({ page }) => {
	await visit(page, '/audit');
	await page.locator('td', { hasText: args.user }).first().waitFor();
});

const browser = await startBrowser();
let good = false;
try {
	good = await runAll(async () => {
		const page = await openPage(browser, url);
		await page.waitForSelector('input[name=username]');
		await logIn(page, args.user, password);
		return { page };
	});
} finally {
	await browser.close().catch(() => {});
}
process.exit(good ? 0 : 1);
