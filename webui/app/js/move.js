// SPDX-License-Identifier: GPL-2.0-or-later
//
// Live migration of a VM: starting and ending it, how it stands, how the last
// one ended, and the PM where the VM belongs.
import { html, useState } from './lib.js';
import { post, part } from './api.js';
import { t, word, agentText, bytes } from './i18n.js';
import { follow, refresh } from './live.js';
import { toast, toastError } from './ui/toasts.js';
import { openDialog, Confirm } from './ui/dialog.js';
import { Button, Card, Facts, Field, Progress, Time } from './ui/parts.js';
import { whyNot } from './actions.js';

const LIMIT_MS = 30 * 60 * 1000;
const NODES = ['node0', 'node1'];
const other = (node) => (node === 'node0' ? 'node1' : 'node0');

// How it ended, in words; '' when all went well.
function endText(last) {
	if (!last.reason)
		return '';
	return agentText(`move.${last.reason.code}`, { from: last.from, to: last.to }) || last.reason.text || last.reason.code;
}

// The move that was begun now: say how it ends.
function expectEnd(vm) {
	const until = Date.now() + LIMIT_MS;
	const before = vm.last_migration ? vm.last_migration.started_utc : null;
	const stop = follow('vms', (list) => {
		const now = (list || []).find((v) => v.id === vm.id);
		const last = now && now.last_migration;
		if (Date.now() > until || !now) {
			stop();
		} else if (!now.migration && last && last.started_utc !== before) {
			stop();
			if (last.result === 'done')
				toast('good', t('did.running', { name: now.name, node: now.node || '' }));
			else if (last.result === 'failed')
				toast('critical', t('did.notMoved', { name: now.name }), endText(last));
		}
	});
}

async function act(vm, verb, said, body) {
	await post(`/vms/${part(vm.id)}/${verb}`, body);
	refresh('vms', 'unit', 'nodes');
	toast(verb === 'migrate' ? 'busy' : 'good', said);
}

function migrate(vm) {
	const to = other(vm.node);
	openDialog((close) => html`<${Confirm} close=${close} icon="move" kind="primary"
		title=${t('ask.migrate', { name: vm.name, node: to })} verb=${t('do.migrate')}
		run=${async () => {
			await act(vm, 'migrate', t('did.migrate', { name: vm.name, node: to }), { to });
			expectEnd(vm);
		}}><p>${t('ask.migrateText')}</p>
		${vm.preferred && vm.preferred !== to && html`<p>${t('ask.migratePrefers', { node: vm.preferred })}</p>`}<//>`);
}

const cancel = (vm) => act(vm, 'migrate-cancel', t('did.migrateCancel', { name: vm.name })).catch(toastError);

export function MoveButton({ vm }) {
	if (vm.migration)
		return html`<${Button} icon="close" why=${whyNot(vm, 'migrate-cancel')} onClick=${() => cancel(vm)}>${t('do.migrateCancel')}<//>`;
	return html`<${Button} icon="move" why=${whyNot(vm, 'migrate')} onClick=${() => migrate(vm)}>${t('do.migrate')}<//>`;
}

// While it moves.
export function MoveCard({ vm }) {
	const m = vm.migration;
	if (!m)
		return null;
	return html`<${Card} title=${t('move.title', { from: m.from, to: m.to })}>
		<div class="stack"><${Progress} percent=${m.percent} seconds_left=${m.seconds_left} label=${t('vm.progressOf', { name: vm.name })} />
		<${Facts} rows=${[
			[t('field.state'), html`<span role="status">${word('move.phase', m.phase)}</span>`],
			m.phase === 'copying' && [t('move.copied'), t('move.copiedOf', { copied: bytes(m.bytes), left: bytes(m.remaining_bytes) })],
			[t('move.by'), m.by],
		]} /></div>
	<//>`;
}

// A row of facts: how the last one ended.
export function lastMove(vm) {
	const last = vm.last_migration;
	if (!last)
		return null;
	const text = endText(last);
	return [t('move.last'), html`
		<div>${t('move.way', { from: last.from, to: last.to })} · ${word('move.result', last.result)} · <${Time} utc=${last.ended_utc} /></div>
		${text && html`<div class="dim small">${text}</div>`}`];
}

function Prefer({ vm, close }) {
	const [node, setNode] = useState(vm.preferred || '');
	return html`<${Confirm} close=${close} icon="star" kind="primary" title=${t('ask.prefer', { name: vm.name })} verb=${t('do.save')}
		run=${() => act(vm, 'prefer', t('did.prefer', { name: vm.name }), { node: node || null })}>
		<p>${t('ask.preferText')}</p>
		<${Field} label=${t('field.preferred')}>${(p) => html`<select ...${p} name="preferred" autofocus value=${node}
			onChange=${(e) => setNode(e.target.value)}>
			<option value="">${t('create.automatic')}</option>
			${NODES.map((n) => html`<option key=${n} value=${n}>${n}</option>`)}
		</select>`}<//>
	<//>`;
}

// A row of facts: where it belongs, and a button to change that.
export function preferred(vm) {
	return [t('field.preferred'), html`${vm.preferred || t('create.automatic')}${' '}
		<${Button} small icon="edit" why=${whyNot(vm, 'rename')} label=${t('do.of', { verb: t('do.change'), name: t('field.preferred') })}
			onClick=${() => openDialog((close) => html`<${Prefer} vm=${vm} close=${close} />`)}>${t('do.change')}<//>`];
}
