// SPDX-License-Identifier: GPL-2.0-or-later
//
// The browser console against the real avconsoled and a stand-in for the
// agent (tests/unit/console/dev-server).  Every case logs in anew; the VMs
// that the cases make and remove are their own, so that order doesn't matter.
import { spawn, execFile } from 'node:child_process';
import { mkdtempSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { test, ok, same, startBrowser, openPage, logIn, visit, axe, cable, runAll } from './lib.mjs';

const root = path.resolve(import.meta.dirname || path.dirname(new URL(import.meta.url).pathname), '../..');
const tmp = mkdtempSync(path.join(tmpdir(), 'avpair-webui.'));
const PASSWORD = 'secret-pass';
const run = promisify(execFile);
const children = [];

function child(command, args, options) {
	const c = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
	children.push(c);
	return c;
}

// A machine that isn't running but has a screen: a real VNC server.  Without
// QEMU the dev-server has a small one of its own.
function startScreen() {
	const program = '/usr/bin/qemu-system-x86_64';
	if (!existsSync(program))
		return null;
	const socket = path.join(tmp, 'vnc');
	child(program, ['-nodefaults', '-machine', 'pc,accel=tcg', '-m', '16', '-vga', 'std', '-S', '-display', 'none', '-vnc', `unix:${socket}`]);
	return socket;
}

function startConsole(vnc) {
	const c = child(path.join(root, 'tests/unit/console/dev-server'), [path.join(root, 'webui/app')],
		{ cwd: root, env: { ...process.env, FAST: '1', TMPDIR: tmp, ...(vnc ? { VNC: vnc } : {}) } });
	return new Promise((done, no) => {
		let text = '';
		c.stdout.on('data', (d) => {
			text += d;
			if (/^ready$/m.test(text))
				done(Object.fromEntries([...text.matchAll(/^([A-Z]+)=(.*)$/gm)].map((m) => [m[1], m[2]])));
		});
		c.on('exit', () => no(new Error(`dev-server ended: ${text}`)));
	});
}

let desk = null, browser = null, wire = null, vnc = null;

const agent = (op, args) => run(path.join(root, 'tests/unit/console/agent-do'), [desk.AGENT, op, JSON.stringify(args)], { cwd: root })
	.then((r) => JSON.parse(r.stdout).result);

let serial = 0;
async function makeVm(prefix = 'case', more = {}) {
	const name = `${prefix} ${++serial}`;
	const made = await agent('vm.create', { name, os: 'linux', vcpus: 1, memory_bytes: 268435456,
		volumes: [{ size_bytes: 67108864 }], networks: ['net0'], ...more });
	return { name, id: made.id };
}

const open = (options) => openPage(browser, `https://127.0.0.1:${wire.port}/`, options);
const admin = (page) => logIn(page, 'admin', PASSWORD);
const text = (page, selector) => page.locator(selector).first().textContent();
const seen = (page, words) => page.getByText(words).first().waitFor();
const button = (page, name) => page.getByRole('button', { name, exact: true }).first();
const vmState = (page, word) => page.locator('.page-head .state', { hasText: word }).waitFor();

/* --- coming in and going out ---------------------------------------------- */

test('login-wrong-password', async ({ page }) => {
	await page.fill('input[name=username]', 'admin');
	await page.fill('input[name=password]', 'wrong');
	await page.keyboard.press('Enter');
	await page.locator('[role=alert]').waitFor();
	same(await page.inputValue('input[name=password]'), '', 'the password is cleared');
	ok(await page.evaluate(() => document.activeElement.name === 'password'), 'the focus is on the password');
	await page.fill('input[name=username]', '');
	await page.keyboard.press('Enter');
	await seen(page, 'Enter your user name and your password.');
});

test('login-logout', async ({ page }) => {
	await admin(page);
	await seen(page, 'Both');
	ok(!(await page.evaluate(() => document.cookie)), 'the session cookie is out of reach of scripts');
	await button(page, 'Log out').click();
	await seen(page, 'You are logged out.');
	await page.reload();
	await page.waitForSelector('input[name=password]');
});

test('session-expired', async ({ page }) => {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Stopped');
	await page.context().clearCookies();
	// a refresh in the background may have noticed before the click does
	await button(page, 'Start').click({ timeout: 2000 }).catch(() => {});
	await seen(page, 'Your session has ended.');
	same(await page.locator('.frame').count(), 0, 'nothing of the unit shows any more');
	await admin(page);
	await page.getByRole('heading', { name: vm.name }).waitFor();	// and back where one was
});

test('inactivity', async ({ page }) => {
	await page.route('**/api/v1/login', async (route) => {
		const r = await route.fetch();
		await route.fulfill({ response: r, json: { ...await r.json(), idle_s: 6 } });
	});
	await admin(page);
	await seen(page, 'Are you still there?');
	await button(page, 'Stay logged in').click();
	await page.locator('dialog').waitFor({ state: 'detached' });
	await seen(page, 'You were logged out because nothing was done for a while.');
});

test('read-only-role', async ({ page }) => {
	const vm = await makeVm();
	await logIn(page, 'viewer', PASSWORD);
	await visit(page, `/vms/${vm.id}`);
	const start = button(page, 'Start');
	same(await start.getAttribute('aria-disabled'), 'true', 'Start can\'t be used');
	await start.hover();
	await seen(page, 'Your role doesn’t allow this');
});

/* --- the picture ---------------------------------------------------------- */

test('dashboard-picture', async ({ page }) => {
	await admin(page);
	await page.locator('.picture-box > svg').waitFor();
	const pms = page.locator('.pm');
	same(await pms.count(), 2, 'PMs');
	ok((await pms.nth(0).getAttribute('aria-label')).includes('node0, primary: Running'), 'node0 is the primary');
	same(await pms.nth(0).locator('.star').count(), 1, 'its star');
	ok((await text(page, '.pm >> nth=0')).includes('web'), 'web is drawn in node0');
	ok((await text(page, '.pm >> nth=1')).includes('受注システム'), 'a Japanese name in node1');
	await page.locator('.plate.good', { hasText: 'link0 · up' }).waitFor();
	await page.getByRole('group', { name: 'Quorum server: Reachable' }).waitFor();
	await page.locator('.alert-item', { hasText: "Network 'net0' has no link" }).waitFor();
	await page.locator('.alert-item ol li', { hasText: "Check the cable and the switch's port" }).waitFor();
});

test('dashboard-degraded', async ({ page }) => {
	await admin(page);
	await page.locator('.pm').first().waitFor();
	try {
		await agent('test.node-lost', { node: 'node0' });
		await page.locator('.pm.critical, .pm.alert').first().waitFor();
		await page.locator('.unit-says .notice:not(.good)').waitFor();
		await page.waitForFunction(() => document.querySelectorAll('.pm')[1].textContent.includes('web'));
		await page.locator('.alert-item', { hasText: 'node0' }).first().waitFor();
		ok(await page.locator('.alert-item ol li').count() > 0, 'repair steps');
	} finally {
		await agent('test.node-lost', { node: null });
	}
	await page.waitForFunction(() => !document.querySelector('.pm.critical'));
});

/* --- virtual machines ----------------------------------------------------- */

async function next(page) {
	await button(page, 'Next').click();
}

test('vm-create-japanese', async ({ page }) => {
	const name = `会計サーバー ${++serial} <img src=x onerror="document.title='bad'">`;
	await admin(page);
	await visit(page, '/vms');
	await button(page, 'Create virtual machine').click();
	await next(page);
	await seen(page, 'Give it a name');
	await page.fill('input[name=name]', name);
	await next(page);
	await page.fill('input[name=vcpus]', '9');
	await next(page);
	await seen(page, 'Enter a whole number from 1 to 8.');
	await page.locator('input[name=memory]').focus();
	await page.keyboard.press('Control+a');
	await page.keyboard.type('0.25');		// the focus stays in what one types
	same(await page.inputValue('input[name=memory]'), '0.25', 'memory');
	await page.fill('input[name=vcpus]', '1');
	await next(page);
	await page.fill('input[name=size0]', '1');
	await page.selectOption('select[name=image0]', 'debian-12.img');
	same(await page.inputValue('input[name=size0]'), '2', 'the size grows to the image\'s');
	await page.selectOption('select[name=image0]', '');
	await page.fill('input[name=size0]', '0.1');
	await button(page, 'Add a volume').click();
	await page.fill('input[name=size1]', '0.1');
	await next(page);
	ok(await page.getByLabel('net0').isChecked(), 'the first network is chosen');
	await next(page);
	await seen(page, 'The unit can make it.');
	await button(page, 'Create').click();
	await page.getByRole('heading', { name, exact: true }).waitFor();
	const made = (await agent('vm.list', {})).find((v) => v.name === name);
	ok(made && made.volumes.length === 2 && made.memory_bytes === 268435456, 'the unit has what was asked for');
	ok(!(await page.title()).startsWith('bad'), 'a name is never markup');
	await vmState(page, 'Running');
});

// The focus goes to what is wrong at the moment when that is said, not some frames later:
// whoever is quick has begun to type elsewhere by then.
test('typing-at-once', async ({ page }) => {
	await admin(page);
	await visit(page, '/vms/create');
	await page.fill('input[name=name]', 'quick');
	await next(page);
	await page.fill('input[name=vcpus]', '9');
	const focus = await page.evaluate(async () => {
		const memory = document.querySelector('input[name=memory]');
		document.querySelector('form').requestSubmit();
		await Promise.resolve();
		while (!document.querySelector('[aria-invalid=true]'))
			await new Promise((done) => queueMicrotask(done));
		const at = document.activeElement.name;
		memory.focus();
		memory.select();
		await new Promise((done) => setTimeout(done, 500));
		return [at, document.activeElement.name];
	});
	same(focus[0], 'vcpus', 'the focus when the error shows');
	same(focus[1], 'memory', 'the focus of who types on');
	await page.keyboard.type('0.25');
	same(await page.inputValue('input[name=memory]'), '0.25', 'memory');
	same(await page.inputValue('input[name=vcpus]'), '9', 'processors');
});

// Each letter finds a page that has been drawn anew since the one before.
test('typing-while-it-refreshes', async ({ page }) => {
	const hint = '.field:has(input[name=memory]) .hint';
	let used = 1073741824, lost = null;
	await page.route('**/api/v1/unit', async (route) => {	// each answer has other numbers
		const r = await route.fetch();
		const unit = await r.json();
		used += 209715200;
		await route.fulfill({ response: r, json: { ...unit, resources: { ...unit.resources, memory_used_bytes: used } } });
	});
	await admin(page);
	await visit(page, '/vms/create');
	await page.fill('input[name=name]', 'patient');
	await next(page);
	try {
		for (const [field, word] of [['memory', '1.125'], ['vcpus', '12']]) {
			await page.locator(`input[name=${field}]`).focus();
			await page.keyboard.press('Control+a');
			for (const letter of word) {
				await page.keyboard.type(letter);
				const was = await page.locator(hint).textContent();
				lost = lost ? null : 'node1';
				await agent('test.node-lost', { node: lost });
				await page.waitForFunction(([at, old]) => document.querySelector(at).textContent !== old, [hint, was]);
				same(await page.evaluate(() => document.activeElement.name), field, 'the focus');
			}
			same(await page.inputValue(`input[name=${field}]`), word, field);
		}
		same(await page.inputValue('input[name=memory]'), '1.125', 'memory, later');
	} finally {
		await agent('test.node-lost', { node: null });
	}
});

test('error-at-the-field', async ({ page }) => {
	await admin(page);
	await visit(page, '/vms/create');
	await page.fill('input[name=name]', 'web');
	for (let i = 0; i < 4; i++) {
		await next(page);
		await page.waitForTimeout(50);
	}
	await page.locator('input[name=name][aria-invalid=true]').waitFor();
	ok((await text(page, '.field .error')).length > 10, 'the refusal is beside the name');
	ok(await page.evaluate(() => document.activeElement.name === 'name'), 'the focus is on it');
	const vm = await makeVm();
	await visit(page, `/vms/${vm.id}`);
	await button(page, 'Rename').click();
	await page.locator('dialog input').fill('web');
	await page.keyboard.press('Enter');
	await page.locator('dialog [role=alert]').waitFor();
	await page.keyboard.press('Escape');
	await page.locator('dialog').waitFor({ state: 'detached' });
});

test('vm-start-shutdown-poweroff', async ({ page }) => {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Stopped');
	same(await button(page, 'Shut down').getAttribute('aria-disabled'), 'true', 'can\'t be shut down');
	await button(page, 'Start').click();
	await seen(page, 'is being started');
	await vmState(page, 'Running');
	await seen(page, `“${vm.name}” runs on node`);
	await button(page, 'Shut down').click();
	await page.locator('dialog').getByRole('button', { name: 'Shut down' }).click();
	await vmState(page, 'Stopped');
	await button(page, 'Start').click();
	await vmState(page, 'Running');
	await button(page, 'Power off').click();
	await seen(page, 'like pulling the plug');
	await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click();
	await vmState(page, 'Running');
	await button(page, 'Power off').click();
	await page.locator('dialog').getByRole('button', { name: 'Power off' }).click();
	await vmState(page, 'Stopped');
});

// One that runs, and its page.
async function running(page) {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Stopped');
	await agent('vm.start', { vm: vm.id });
	await vmState(page, 'Running');
	return vm;
}

test('vm-migrate', async ({ page }) => {
	const vm = await running(page);
	const from = (await agent('vm.get', { vm: vm.id })).node;
	const to = from === 'node0' ? 'node1' : 'node0';
	await agent('test.move', { hold: true });
	try {
		await button(page, 'Migrate').click();
		await seen(page, `Migrate “${vm.name}” to ${to}?`);
		await page.locator('dialog').getByRole('button', { name: 'Migrate' }).click();
		await seen(page, `“${vm.name}” is moving to ${to}`);
		await seen(page, `Migration from ${from} to ${to}`);
		await seen(page, 'Memory is copied, the virtual machine runs');
		await page.locator('.card progress[value="40"]').waitFor();
		await vmState(page, 'Running');
		same((await axe(page)).join('; '), '', 'accessible while it moves');
		await visit(page, '/vms');
		await page.locator('tr', { hasText: vm.name }).locator('progress').waitFor();
		await visit(page, `/vms/${vm.id}`);
	} finally {
		await agent('test.move', { hold: false });
	}
	await page.locator('dd', { hasText: `${from} → ${to} · done` }).waitFor();
	await button(page, 'Migrate').waitFor();
	ok((await agent('vm.get', { vm: vm.id })).node === to, 'it is on the other PM');
});

test('vm-migrate-cancel', async ({ page }) => {
	const vm = await running(page);
	const from = (await agent('vm.get', { vm: vm.id })).node;
	await agent('test.move', { hold: true });
	try {
		await button(page, 'Migrate').click();
		await page.locator('dialog').getByRole('button', { name: 'Migrate' }).click();
		await button(page, 'Cancel migration').click();
		await seen(page, `The migration of “${vm.name}” is cancelled`);
		await page.locator('dd', { hasText: '· cancelled' }).waitFor();
		await button(page, 'Migrate').waitFor();
		ok((await agent('vm.get', { vm: vm.id })).node === from, 'it is where it was');
	} finally {
		await agent('test.move', { hold: false });
	}
});

test('vm-migrate-not-possible', async ({ page }) => {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Stopped');
	same(await button(page, 'Migrate').getAttribute('aria-disabled'), 'true', 'a stopped one can\'t move');
});

test('vm-prefer', async ({ page }) => {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	for (const [choice, said] of [['node1', 'node1'], ['', 'Automatic']]) {
		await button(page, 'Change: Preferred machine').click();
		await page.locator('dialog select').selectOption(choice);
		await page.locator('dialog').getByRole('button', { name: 'Save' }).click();
		await page.locator('dialog').waitFor({ state: 'detached' });
		await page.locator('dd', { hasText: said }).first().waitFor();
		same((await agent('vm.get', { vm: vm.id })).preferred, choice || null, 'the unit has it');
	}
});

test('vm-rename', async ({ page }) => {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await button(page, 'Rename').click();
	await page.locator('dialog input').fill(`名前 ${serial}`);
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: `名前 ${serial}`, exact: true }).waitFor();
});

test('vm-remove-keeps-a-volume', async ({ page }) => {
	const vm = await makeVm('remove', { volumes: [{ size_bytes: 67108864 }, { size_bytes: 67108864, name: `kept ${serial + 1}` }] });
	const kept = `kept ${serial}`;
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await button(page, 'Remove').click();
	const dialog = page.locator('dialog');
	await dialog.getByText('Deleted (boot volume)').waitFor();
	const remove = dialog.getByRole('button', { name: 'Remove' });
	same(await remove.getAttribute('aria-disabled'), 'true', 'not before the name is typed');
	await dialog.locator('select').selectOption('keep');
	await dialog.locator('input').fill('not its name');
	same(await remove.getAttribute('aria-disabled'), 'true', 'not with another name');
	await dialog.locator('input').fill(vm.name);
	await remove.click();
	await seen(page, `“${vm.name}” is removed.`);
	ok(!(await agent('vm.list', {})).some((v) => v.id === vm.id), 'the VM is gone');
	await visit(page, '/volumes');
	await page.locator('tr', { hasText: kept }).getByText('None').waitFor();
});

/* --- live ----------------------------------------------------------------- */

test('volume-care', async ({ page }) => {
	const vm = await makeVm('care');
	const name = `${vm.name}-boot`;
	const row = page.locator('tr', { hasText: name });
	const volume = async () => (await agent('volume.list', {})).find((v) => v.vm && v.vm.id === vm.id);
	await agent('test.volume', { volume: (await volume()).id, found: 3 });
	await admin(page);
	await visit(page, '/volumes');
	await row.getByRole('button', { name: `Verify: ${name}` }).click();
	await page.getByLabel('Copy what differs').check();
	await button(page, 'Verify').click();
	await row.getByText('3 blocks differed, 3 repaired').waitFor();
	// larger only
	await row.getByRole('button', { name: `Grow: ${name}` }).click();
	await page.fill('input[name=size]', '0.01');
	same(await page.locator('dialog .btn.primary').getAttribute('aria-disabled'), 'true', 'smaller is no size');
	await page.fill('input[name=size]', '0.5');
	await page.locator('dialog .btn.primary').click();
	await row.getByText('512 MiB').waitFor();
	// a disk fails, its copy is replaced
	await agent('test.volume', { volume: (await volume()).id, node: 'node1' });
	await row.getByText('The disk on node1 failed').waitFor();
	same(await row.getByRole('button', { name: `Grow: ${name}` }).getAttribute('aria-disabled'), 'true', 'not now');
	await row.getByRole('button', { name: `Replace copy: ${name}` }).click();
	await page.locator('dialog .btn.danger').click();
	await page.locator('dialog').waitFor({ state: 'detached' });
	await page.waitForFunction(() => !document.body.textContent.includes('The disk on node1 failed'));
});

test('volume-settings', async ({ page }) => {
	await admin(page);
	await visit(page, '/volumes');
	await button(page, 'Change').click();
	await page.fill('input[name=rate]', '5');
	await page.selectOption('select[name=every]', 'weekly');
	await page.selectOption('select[name=day]', 'wed');
	await page.fill('input[name=hour]', '24');
	same(await page.locator('dialog .btn.primary').getAttribute('aria-disabled'), 'true', 'no such hour');
	await page.fill('input[name=hour]', '22');
	await page.locator('dialog .btn.primary').click();
	await seen(page, 'Every week, Wednesday, 22:00');
	await seen(page, '5 MiB a second');
	same((await agent('unit.info', {})).verify_schedule.day, 'wed', 'the unit has it');
});

test('live-update', async ({ page }) => {
	const vm = await makeVm();
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Stopped');
	await page.waitForTimeout(400);
	let asked = 0;
	page.on('request', (r) => {
		if (r.url().endsWith('/api/v1/vms'))
			asked++;
	});
	await agent('vm.start', { vm: vm.id });		// somebody else does it
	await vmState(page, 'Running');
	ok(asked <= 6, `${asked} requests for a few events`);
	await visit(page, '/vms');
	const other = await makeVm();
	await page.getByRole('link', { name: other.name }).waitFor();
});

for (const silent of [false, true])
	test(`reconnect-${silent ? 'silent' : 'refused'}`, async ({ page }) => {
		const vm = await makeVm();
		await admin(page);
		await visit(page, `/vms/${vm.id}`);
		await vmState(page, 'Stopped');
		await page.waitForTimeout(300);
		try {
			wire.cut(silent);
			await seen(page, 'Connection lost, retrying.');
			ok((await page.locator('.lost').boundingBox()).height < 90, 'the banner is only a banner');
			same(await button(page, 'Start').getAttribute('aria-disabled'), 'true', 'no commands now');
			await agent('vm.start', { vm: vm.id });
		} finally {
			wire.mend();
		}
		await page.locator('.lost').waitFor({ state: 'detached' });
		await vmState(page, 'Running');		// what was missed shows by itself
		await agent('vm.poweroff', { vm: vm.id });
		await vmState(page, 'Stopped');		// and so does what comes after
	});

/* --- the guest's screen --------------------------------------------------- */

test('screen', async ({ page }) => {
	const vm = await makeVm('screen', { preferred: 'node0', start: true });
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Running');
	await button(page, 'Screen').click();
	await page.locator('[data-phase=shown] canvas').waitFor();
	const size = await page.locator('.screen-box canvas').evaluate((c) => [c.width, c.height]);
	ok(size[0] > 0 && size[1] > 0 && (!vnc || size[0] >= 640), `the guest's picture is ${size}`);
	await button(page, 'Ctrl-Alt-Del').click();
	await page.getByText('1:1').click();
	await page.waitForFunction(() => {
		const c = document.querySelector('.screen-box canvas');
		return c.getBoundingClientRect().width === c.width;
	});
	await page.locator('.screen-box canvas').focus();
	await page.keyboard.press('Control+Alt+Shift');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: vm.name, exact: true }).waitFor();
});

test('screen-reconnects', async ({ page }) => {
	const vm = await makeVm('screen', { preferred: 'node0', start: true });
	await admin(page);
	await visit(page, `/vms/${vm.id}`);
	await vmState(page, 'Running');
	await button(page, 'Screen').click();
	await page.locator('[data-phase=shown] canvas').waitFor();
	try {
		wire.cut(false);
		await page.waitForFunction(() => document.querySelector('.screen-box').dataset.phase !== 'shown');
	} finally {
		wire.mend();
	}
	await page.locator('[data-phase=shown] canvas').waitFor();
});

/* --- for everybody -------------------------------------------------------- */

test('language', async ({ page }) => {
	same(await page.evaluate(() => document.documentElement.lang), 'en', 'as the browser says');
	await page.getByText('日本語').click();
	await page.getByLabel('ユーザー名').fill('admin');
	await page.getByLabel('パスワード').fill('wrong');
	await page.keyboard.press('Enter');
	await seen(page, 'ユーザー名またはパスワードが違います');
	await admin(page);
	await seen(page, '物理マシン');
	same(await page.evaluate(() => document.documentElement.lang), 'ja', 'lang');
	await page.reload();
	await seen(page, 'ダッシュボード');
	await page.getByRole('button', { name: 'English' }).click();
	await seen(page, 'Physical machines');
});

test('language-of-the-browser', async () => {
	const page = await open({ locale: 'ja-JP' });
	await page.getByLabel('パスワード').waitFor();
	await page.context().close();
});

test('maintenance', async ({ page }) => {
	const card = page.locator('section', { hasText: 'node1' }).filter({ hasText: 'Processors' });
	await admin(page);
	await visit(page, '/nodes');
	await card.getByRole('button', { name: 'Take out for maintenance' }).click();
	await seen(page, 'Its VMs move to the other PM while they run');
	await page.getByLabel("Shut down VMs that can't be moved").check();
	await page.locator('dialog[open] .btn.primary').click();
	try {
		await seen(page, 'node1 is out for maintenance');
		same((await agent('node.list', {})).find((n) => n.name === 'node1').maintenance.shutdown, true, 'the agent knows');
		await card.getByRole('button', { name: 'Reboot' }).click();
		await page.locator('dialog[open] .btn.primary').click();
		await seen(page, 'As soon as it is out, node1 reboots.');
		same((await agent('node.list', {})).find((n) => n.name === 'node1').maintenance.power, 'reboot', 'the agent knows');
		await card.getByRole('button', { name: 'Shut down' }).click();
		await seen(page, 'stays off until somebody switches it on');
		await page.locator('dialog[open] .btn.danger').click();
		await seen(page, 'As soon as it is out, node1 shuts down.');
	} finally {
		await card.getByRole('button', { name: 'Bring back' }).click();
		await page.locator('dialog[open] .btn.primary').click();
	}
	await card.getByRole('button', { name: 'Take out for maintenance' }).waitFor();
});

test('predicted-failure', async ({ page }) => {
	await agent('node.report-fault', { node: 'node0', part: 'disk sda', text: 'SMART: 12 sectors' });
	await admin(page);
	await visit(page, '/nodes');
	await seen(page, 'SMART: 12 sectors');
	if (process.env.SHOTS)
		await page.screenshot({ path: path.join(process.env.SHOTS, 'predicted-failure.png'), fullPage: true });
	await button(page, 'Is well again').click();
	await page.waitForFunction(() => !document.body.textContent.includes('SMART: 12 sectors'));
	same((await agent('node.list', {}))[0].faults.length, 0, 'the agent knows');
});

test('quorum-servers', async ({ page }) => {
	await admin(page);
	await visit(page, '/quorum-servers');
	await seen(page, 'https://10.79.0.9:2379');
	await seen(page, 'asked now');
	await button(page, 'Add a quorum server').click();
	const dialog = page.locator('dialog[open]');
	await dialog.getByLabel('Address').fill('https://unreachable:2379');
	await dialog.getByRole('button', { name: 'Ask it and add' }).click();
	await seen(page, "node1 can't use this quorum server");
	await dialog.getByLabel('Address').fill('https://10.79.0.10:2379');
	await dialog.getByLabel('Client certificate (PEM) (optional)', { exact: true }).setInputFiles({ name: 'c.pem', mimeType: 'text/plain', buffer: Buffer.from('-----BEGIN X-----') });
	await dialog.getByLabel('Key of the client').setInputFiles({ name: 'k.pem', mimeType: 'text/plain', buffer: Buffer.from('-----BEGIN K-----') });
	await dialog.getByRole('button', { name: 'Ask it and add' }).click();
	await dialog.waitFor({ state: 'detached' });
	await seen(page, 'https://10.79.0.10:2379');
	ok(!(await page.locator('body').innerText()).includes('BEGIN K'), 'the key is shown');
	await page.getByRole('button', { name: 'Remove https://10.79.0.10:2379' }).click();
	await page.locator('dialog[open]').getByRole('button', { name: 'Remove', exact: true }).click();
	await page.locator('dialog[open]').waitFor({ state: 'detached' });
	await page.locator('td', { hasText: '10.79.0.10' }).waitFor({ state: 'detached' });
});

test('split', async ({ page }) => {
	await agent('test.split', { split: true });
	try {
		await admin(page);
		await visit(page, '/split');
		await seen(page, '12 MiB written since');
		await page.getByRole('button', { name: 'web-boot: keep node1' }).click();
		await page.locator('dialog[open]').getByRole('button', { name: 'Keep node1' }).click();
		await page.locator('dialog[open]').waitFor({ state: 'detached' });
		await seen(page, 'Choose for each volume');
		await page.getByRole('button', { name: 'Database of the unit: keep node1' }).click();
		await page.locator('dialog[open]').getByRole('button', { name: 'Keep node1' }).click();
		await seen(page, 'are being discarded');
	} finally {
		await agent('test.split', { split: false });
	}
	await seen(page, 'there is nothing to choose');
});

test('no-text-is-missing', async ({ page }) => {
	await admin(page);
	for (const lang of ['en', 'ja']) {
		if (lang === 'ja')
			await page.getByRole('button', { name: '日本語' }).click();
		for (const p of ['/', '/vms', '/vms/vm:o20', '/vms/create', '/nodes', '/volumes', '/networks', '/quorum-servers', '/split', '/alerts', '/audit']) {
			await visit(page, p);
			const all = await page.locator('body').innerText();
			const raw = all.match(/\b(activity|state|menu|field|why|do|did|ask|create|common|link|role|disk|audit|vm|volume|node)\.[a-z]\w+/);
			ok(!raw, `${lang} ${p}: shows a key: ${raw}`);
			ok(!/undefined|NaN|\[object/.test(all), `${lang} ${p}: shows undefined`);
		}
	}
});

test('dark', async ({ page }) => {
	await admin(page);
	const dark = () => page.evaluate(() => document.documentElement.dataset.theme);
	same(await dark(), 'light', 'first');
	await button(page, 'Dark colours').click();
	same(await dark(), 'dark', 'chosen');
	await page.reload();
	await page.waitForSelector('.frame');
	same(await dark(), 'dark', 'kept');
	const other = await open({ colorScheme: 'dark' });
	same(await other.evaluate(() => document.documentElement.dataset.theme), 'dark', 'as the system says');
	await other.context().close();
});

async function tabTo(page, wanted, most = 60) {
	for (let i = 0; i < most; i++) {
		const got = await page.evaluate(() => {
			const e = document.activeElement;
			return e ? (e.getAttribute('aria-label') || e.textContent || '').trim() : '';
		});
		if (got === wanted)
			return;
		await page.keyboard.press('Tab');
	}
	throw new Error(`Tab doesn't reach '${wanted}'`);
}

test('keyboard-only', async ({ page }) => {
	const vm = await makeVm();
	await page.keyboard.type('admin');
	await page.keyboard.press('Tab');
	await page.keyboard.type(PASSWORD);
	await page.keyboard.press('Enter');
	await page.waitForSelector('.frame nav');
	await tabTo(page, 'Virtual machines');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: 'Virtual machines' }).waitFor();
	await page.getByRole('link', { name: vm.name, exact: true }).waitFor();
	await tabTo(page, vm.name, 120);
	ok(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none'), 'the focus is visible');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: vm.name }).waitFor();
	await tabTo(page, 'Start');
	await page.keyboard.press('Enter');
	await vmState(page, 'Running');
	await tabTo(page, 'Power off');
	await page.keyboard.press('Enter');
	await page.locator('dialog[open]').waitFor();
	await tabTo(page, 'Power off', 8);		// stays within the dialog
	await page.keyboard.press('Enter');
	await vmState(page, 'Stopped');
	ok(await page.evaluate(() => document.activeElement !== document.body), 'the focus comes back');
});

const pages = { dashboard: '/', vms: '/vms', vm: '/vms/vm:o20', create: '/vms/create', nodes: '/nodes',
	volumes: '/volumes', networks: '/networks', quorum: '/quorum-servers', split: '/split', alerts: '/alerts', audit: '/audit' };

for (const theme of ['light', 'dark'])
	test(`axe-${theme}`, async ({ page }) => {
		await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
		const found = [];
		found.push(...(await axe(page)).map((v) => `login: ${v}`));
		await admin(page);
		for (const [name, p] of Object.entries(pages)) {
			await visit(page, p);
			found.push(...(await axe(page)).map((v) => `${name}: ${v}`));
		}
		const vm = await makeVm();
		await visit(page, `/vms/${vm.id}`);
		await button(page, 'Remove').click();
		await page.locator('dialog[open]').waitFor();
		found.push(...(await axe(page)).map((v) => `dialog: ${v}`));
		ok(found.length === 0, found.join('\n'));
	}, 120000);

test('fits', async ({ page }) => {
	await admin(page);
	for (const lang of ['en', 'ja']) {
		if (lang === 'ja')
			await page.getByRole('button', { name: '日本語' }).click();
		for (const width of [1280, 1024, 800]) {
			await page.setViewportSize({ width, height: 768 });
			for (const [name, p] of Object.entries(pages)) {
				await visit(page, p);
				await page.waitForTimeout(60);
				const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
				ok(over <= 0, `${name} is ${over} pixels too wide at ${width} (${lang})`);
				const cut = width < 1000 ? 0 : await page.evaluate(() => Math.max(0, ...[...document.querySelectorAll('.table-wrap, .picture-box')].map((e) => e.scrollWidth - e.clientWidth)));
				ok(cut <= 0, `${name}: a table is ${cut} pixels too wide at ${width} (${lang})`);
			}
		}
	}
}, 120000);

/* --- all of it ------------------------------------------------------------ */

let good = false;
try {
	vnc = startScreen();
	desk = await startConsole(vnc);
	wire = await cable(Number(new URL(desk.URL).port));
	browser = await startBrowser();
	good = await runAll(async () => {
		const page = await open();
		await page.waitForSelector('input[name=username]');
		return { page };
	});
} catch (e) {
	console.log('not ok setup');
	console.error(e.stack || e);
} finally {
	if (browser)
		await browser.close().catch(() => {});
	if (wire)
		wire.end();
	for (const c of children)
		c.kill('SIGTERM');
	await Promise.all(children.map((c) => (c.exitCode !== null || c.signalCode !== null ? null
		: new Promise((done) => c.on('exit', done)))));
	rmSync(tmp, { recursive: true, force: true });
}
process.exit(good ? 0 : 1);
