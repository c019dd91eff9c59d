// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a person can do to a VM: the requests, what is said about their
// results, and why one isn't possible now.
//
// The API answers when a command is decided; expect() then watches the live
// state and says when the VM has got there.
import { html, useState } from './lib.js';
import { request, post, part, may } from './api.js';
import { t, word, bytes } from './i18n.js';
import { connection, follow, refresh } from './live.js';
import { go, place } from './router.js';
import { reasonText } from './said.js';
import { toast, toastError } from './ui/toasts.js';
import { openDialog, Confirm } from './ui/dialog.js';
import { Field } from './ui/parts.js';

const EXPECT_MS = 10 * 60 * 1000;

// Why can't 'command' be used on this VM?  null: it can.
export function whyNot(vm, command) {
	if (connection.get() === 'lost')
		return t('why.lost');
	if (!may('vm-manager'))
		return t('why.role');
	if (command === 'rename')
		return null;
	const names = command === 'console' ? ['console', 'vnc'] : [command];
	if ((vm.commands || []).some((c) => names.includes(c)))
		return null;
	const key = `why.${command}`;
	return t(key, { activity: word('activity.vm', vm.activity) });
}

// When the VM reaches 'good' say so, when 'bad' too; give up after a while.
function expect(vm, good, bad, text) {
	const until = Date.now() + EXPECT_MS;
	const stop = follow('vms', (list) => {
		const now = (list || []).find((v) => v.id === vm.id);
		if (Date.now() > until || !now) {
			stop();
		} else if (good.includes(now.activity)) {
			stop();
			toast('good', t(text, { name: now.name, node: now.node || '' }));
		} else if (bad.includes(now.activity)) {
			stop();
			toast('critical', t('did.crashed', { name: now.name }), reasonText(now.reason, now.node));
		}
	});
}

async function act(vm, verb, said) {
	await post(`/vms/${part(vm.id)}/${verb}`);
	refresh('vms', 'unit', 'nodes');
	toast('busy', t(said, { name: vm.name }));
}

export async function start(vm) {
	try {
		await act(vm, 'start', 'did.start');
		expect(vm, ['running'], ['crashed'], 'did.running');
	} catch (e) {
		toastError(e);
	}
}

export function shutdown(vm) {
	openDialog((close) => html`<${Confirm} close=${close} icon="shutdown" kind="primary"
		title=${t('ask.shutdown', { name: vm.name })} verb=${t('do.shutdown')}
		run=${async () => {
			await act(vm, 'shutdown', 'did.shutdown');
			expect(vm, ['stopped'], [], 'did.stopped');
		}}><p>${t('ask.shutdownText')}</p><//>`);
}

export function powerOff(vm) {
	openDialog((close) => html`<${Confirm} close=${close} icon="poweroff"
		title=${t('ask.poweroff', { name: vm.name })} verb=${t('do.poweroff')}
		run=${async () => {
			await act(vm, 'poweroff', 'did.poweroff');
			expect(vm, ['stopped'], [], 'did.stopped');
		}}><p>${t('ask.poweroffText')}</p><//>`);
}

export function remove(vm) {
	openDialog((close) => html`<${Remove} vm=${vm} close=${close} />`);
}

export function rename(vm) {
	openDialog((close) => html`<${Rename} vm=${vm} close=${close} />`);
}

function Remove({ vm, close }) {
	const [typed, setTyped] = useState('');
	const [keep, setKeep] = useState({});
	const volumes = vm.volumes || [];
	const same = typed.trim().normalize('NFC') === vm.name.normalize('NFC');
	const run = async () => {
		const ids = volumes.filter((v) => !v.boot && keep[v.id]).map((v) => part(v.id));
		await request('DELETE', `/vms/${part(vm.id)}${ids.length ? `?keep=${ids.join(',')}` : ''}`);
		toast('good', t('did.remove', { name: vm.name }));
		refresh('vms', 'volumes', 'unit', 'nodes', 'storage-groups');
		if (place.get().parts[1] === vm.id)
			go('/vms');
	};
	return html`<${Confirm} close=${close} icon="trash" title=${t('ask.remove', { name: vm.name })}
		verb=${t('do.remove')} run=${run} why=${same ? null : t('why.typeName')}>
		<p>${t('ask.removeText')}</p>
		${volumes.length > 0 && html`<div class="table-wrap"><table>
			<caption class="hidden-text">${t('ask.removeVolumes')}</caption>
			<thead><tr><th scope="col">${t('volume.one')}</th><th scope="col" class="right">${t('field.size')}</th>
			<th scope="col">${t('ask.fate')}</th></tr></thead>
			<tbody>${volumes.map((v) => html`<tr key=${v.id}><td class="name">${v.name}</td>
				<td class="right num nowrap">${bytes(v.size_bytes)}</td>
				<td>${v.boot ? html`<span class="dim">${t('ask.bootGoes')}</span>`
					: html`<select aria-label=${t('ask.fateOf', { name: v.name })} value=${keep[v.id] ? 'keep' : 'delete'}
						onChange=${(e) => setKeep({ ...keep, [v.id]: e.target.value === 'keep' })}>
						<option value="delete">${t('ask.delete')}</option><option value="keep">${t('ask.keep')}</option>
					</select>`}</td></tr>`)}</tbody>
		</table></div>`}
		<${Field} label=${t('ask.typeName', { name: vm.name })}>
			${(p) => html`<input ...${p} type="text" autofocus autocomplete="off" spellcheck=${false} value=${typed}
				onInput=${(e) => setTyped(e.target.value)} />`}
		<//>
	<//>`;
}

function Rename({ vm, close }) {
	const [name, setName] = useState(vm.name);
	const run = async () => {
		await request('PATCH', `/vms/${part(vm.id)}`, { body: { name } });
		refresh('vms');
		toast('good', t('did.rename', { name }));
	};
	return html`<${Confirm} close=${close} icon="edit" kind="primary" title=${t('ask.rename', { name: vm.name })}
		verb=${t('do.rename')} run=${run} why=${name.trim() === '' ? t('why.noName') : null}>
		<${Field} label=${t('field.name')} hint=${t('hint.name')}>
			${(p) => html`<input ...${p} type="text" autofocus value=${name} autocomplete="off"
				onInput=${(e) => setName(e.target.value)} />`}
		<//>
	<//>`;
}
