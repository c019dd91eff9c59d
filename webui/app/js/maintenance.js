// SPDX-License-Identifier: GPL-2.0-or-later
//
// A PM out for maintenance: where it stands, taking it out, rebooting it, bringing it back; and
// its parts that are about to fail.
import { html, useState } from './lib.js';
import { post, part, may } from './api.js';
import { t } from './i18n.js';
import { connection, refresh } from './live.js';
import { toast } from './ui/toasts.js';
import { openDialog, Confirm } from './ui/dialog.js';
import { Button, Notice } from './ui/parts.js';

function why() {
	if (connection.get() === 'lost')
		return t('why.lost');
	return may('platform-manager') ? null : t('why.role');
}

async function order(node, verb, body, said = `did.${verb}`) {
	await post(`/nodes/${part(node.name)}/${verb}`, body);
	refresh('nodes', 'unit', 'vms', 'alerts');
	toast('busy', t(said, { node: node.name }));
}

function WorkOn({ node, vms, close }) {
	const [shutdown, setShutdown] = useState(false);
	return html`<${Confirm} close=${close} icon="node" kind="primary" title=${t('ask.workon', { node: node.name })}
		verb=${t('do.workon')} run=${() => order(node, 'workon', { shutdown })}>
		<p>${t('ask.workonText')}</p>
		${vms.length > 0 && html`<p>${t('ask.workonMoves', { names: vms.map((v) => v.name).join(', ') })}</p>`}
		<label class="check"><input type="checkbox" checked=${shutdown}
			onChange=${(e) => setShutdown(e.target.checked)} /> ${t('ask.workonShutdown')}</label>
	<//>`;
}

function workOff(node) {
	openDialog((close) => html`<${Confirm} close=${close} icon="node" kind="primary"
		title=${t('ask.workoff', { node: node.name })} verb=${t('do.workoff')}
		run=${() => order(node, 'workoff')}><p>${t('ask.workoffText')}</p><//>`);
}

function powerOrder(node, verb) {
	openDialog((close) => html`<${Confirm} close=${close} icon="node" kind=${verb === 'shutdown' ? 'danger' : 'primary'}
		title=${t(`ask.node.${verb}`, { node: node.name })} verb=${t(`do.node.${verb}`)}
		run=${() => order(node, verb, {}, `did.node.${verb}`)}><p>${t(`ask.node.${verb}Text`)}</p><//>`);
}

// It is done when the PM is out; asked for already, or by a PM that is off, it makes no sense.
function whyNotPower(node, verb) {
	if (why())
		return why();
	if (node.maintenance.power === verb)
		return t('why.node.asked');
	return node.role === 'stopped' ? t('why.node.off') : null;
}

// What is said above a PM's facts while it is taken out.
export function MaintenanceNotice({ node }) {
	const m = node.maintenance;
	if (!m)
		return null;
	return html`<${Notice} tone=${m.phase === 'out' ? 'good' : 'busy'} icon="node"><p>${t(`maintenance.${m.phase}`, { node: node.name, names: m.waiting_for.join(', ') })}</p>
		${m.power && html`<p>${t(`maintenance.then.${m.power}`, { node: node.name })}</p>`}<//>`;
}

export function MaintenanceButton({ node, vms }) {
	if (node.maintenance)
		return html`<div class="row-tools"><${Button} small why=${why()} onClick=${() => workOff(node)}>${t('do.workoff')}<//>
			${['reboot', 'shutdown'].map((verb) => html` <${Button} small key=${verb} why=${whyNotPower(node, verb)}
				onClick=${() => powerOrder(node, verb)}>${t(`do.node.${verb}`)}<//>`)}</div>`;
	return html`<${Button} small why=${why()}
		onClick=${() => openDialog((close) => html`<${WorkOn} node=${node} vms=${vms} close=${close} />`)}>${t('do.workon')}<//>`;
}

// Parts that something reported as failing; a person says when they are well again.
export function Faults({ node }) {
	const clear = (part) => order(node, 'clear-fault', { part });
	return html`<ul class="plain">${node.faults.map((f) => html`<li key=${f.part}>
		<strong>${f.part}</strong>${f.text && html` <span>${f.text}</span>`}
		<${Button} small why=${why()} onClick=${() => clear(f.part)}>${t('fault.clear')}<//></li>`)}</ul>`;
}
