// SPDX-License-Identifier: GPL-2.0-or-later
//
// Failures of a VM or a PM: how many, how far apart, and "reset device".
import { html } from './lib.js';
import { post, part, may } from './api.js';
import { t, word, number, duration } from './i18n.js';
import { connection, refresh } from './live.js';
import { toast, toastError } from './ui/toasts.js';
import { Button } from './ui/parts.js';

function why(role) {
	if (connection.get() === 'lost')
		return t('why.lost');
	return may(role) ? null : t('why.role');
}

async function reset(path, name) {
	try {
		await post(path);
		refresh('vms', 'unit', 'nodes');
		toast('good', t('did.reset', { name }));
	} catch (e) {
		toastError(e);
	}
}

// The counter in words; below it the rule that it is judged by.
export function Failures({ mtbf, name, path, role }) {
	if (!mtbf)
		return '–';
	const rule = mtbf.policy === 'threshold'
		? t('mtbf.rule', { mean: duration(mtbf.threshold_s), n: number(mtbf.judged_from) })
		: word('mtbf.policy', mtbf.policy);
	return html`<div class="stack">
		<span>${number(mtbf.failures)}${mtbf.mean_s === null ? '' : ` · ${t('mtbf.mean', { mean: duration(mtbf.mean_s) })}`}
			${mtbf.held && html` <span class="tag">${t('mtbf.held')}</span>`}</span>
		<p class="dim small">${rule}</p>
		${mtbf.failures > 0 && html`<span><${Button} small icon="start" why=${why(role)} onClick=${() => reset(path, name)}>${t('do.reset')}<//></span>`}
	</div>`;
}

export const vmFailures = (vm) => html`<${Failures} mtbf=${vm.mtbf} name=${vm.name} path=${`/vms/${part(vm.id)}/reset`} role="vm-manager" />`;
export const nodeFailures = (node) => html`<${Failures} mtbf=${node.mtbf} name=${node.name} path=${`/nodes/${part(node.name)}/clear-mtbf`} role="platform-manager" />`;
