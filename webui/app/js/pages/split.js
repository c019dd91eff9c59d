// SPDX-License-Identifier: GPL-2.0-or-later
//
// Both PMs ran alone: what each holds, and one choice for each volume and the
// unit.  Nothing is touched before everything is chosen.
import { html } from '../lib.js';
import { t, bytes, number } from '../i18n.js';
import { post, may } from '../api.js';
import { refresh, useLive } from '../live.js';
import { Button, Card, Empty, Loading, Notice, PageHead, Table, Time } from '../ui/parts.js';
import { openDialog, Confirm } from '../ui/dialog.js';
import { toast } from '../ui/toasts.js';

const NODES = ['node0', 'node1'];

function choose(object, name, node) {
	openDialog((close) => html`<${Confirm} close=${close} title=${t('split.ask', { name, node })} verb=${t('split.keepOf', { node })}
		run=${async () => {
			await post('/split', { object, keep: node });
			refresh('split', 'unit');
			toast('good', t('split.did', { name, node }));
		}}><p>${t('split.askText')}</p><//>`);
}

function Choice({ object, name, keep, stage }) {
	const why = !may('administrator') ? t('why.role') : stage !== 'deciding' ? t('split.decided') : null;
	return html`<div class="legs">${NODES.map((n) => html`<${Button} key=${n} small kind=${keep === n ? 'primary' : ''} why=${why}
		icon=${keep === n ? 'good' : undefined} label=${t('split.keepNode', { name, node: n })}
		onClick=${() => choose(object, name, n)}>${t('split.keepOf', { node: n })}<//>`)}</div>`;
}

function Side({ side }) {
	if (!side)
		return html`<span class="dim">${t('split.nothing')}</span>`;
	return html`<span class="nowrap">${t('split.wrote', { size: bytes(side.changed_bytes || 0) })}</span>
		${side.written_utc && html`<div class="small dim"><${Time} utc=${side.written_utc} /></div>`}`;
}

function Database({ d }) {
	if (!d)
		return html`<span class="dim">${t('split.nothing')}</span>`;
	return html`<span class="nowrap">${t('split.changes', { n: number(d.sequence) })}</span>
		${d.changed_utc && html`<div class="small dim"><${Time} utc=${d.changed_utc} /></div>`}`;
}

export function SplitPage() {
	const { data, error } = useLive('split');
	const head = html`<${PageHead} title=${t('split.title')} />`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	if (data.stage === 'none')
		return html`${head}<${Empty} icon="good" text=${t('split.none')} />`;
	const rows = [
		...data.volumes.filter((v) => v.differs || v.keep).map((v) => ({ id: v.id, name: v.name, vm: v.vm, keep: v.keep,
			node0: html`<${Side} side=${v.nodes.node0} />`, node1: html`<${Side} side=${v.nodes.node1} />` })),
		{ id: 'unit', name: t('split.database'), keep: data.unit.keep,
			node0: html`<${Database} d=${data.unit.node0} />`, node1: html`<${Database} d=${data.unit.node1} />` },
	];
	return html`${head}<div class="stack">
		<${Notice} tone="critical"><p><strong>${t('split.what')}</strong></p><p>${t(`split.stage.${data.stage}`)}</p><//>
		${data.problem && html`<${Notice} tone="alert"><p>${data.problem}</p><//>`}
		<${Card} body=${false}><${Table} caption=${t('split.title')} rows=${rows} columns=${[
		{ key: 'name', title: t('field.name'), name: true, cell: (r) => html`${r.name}${r.vm && html`<div class="small dim thin">${r.vm.name}</div>`}` },
		{ key: 'node0', title: 'node0', cell: (r) => r.node0 },
		{ key: 'node1', title: 'node1', cell: (r) => r.node1 },
		{ key: 'keep', title: t('split.keep'), cell: (r) => html`<${Choice} object=${r.id} name=${r.name} keep=${r.keep} stage=${data.stage} />` },
	]} /><//></div>`;
}
