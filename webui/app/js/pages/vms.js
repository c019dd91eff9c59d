// SPDX-License-Identifier: GPL-2.0-or-later
//
// The list of virtual machines and the page of one.
import { html, useSignal } from '../lib.js';
import { t, word, bytes, number } from '../i18n.js';
import { may, session } from '../api.js';
import { useLive, connection } from '../live.js';
import { vmPath, go } from '../router.js';
import { Button, Card, Empty, Facts, Loading, Notice, PageHead, Progress, Table, Time } from '../ui/parts.js';
import { State, look } from '../ui/state.js';
import { reasonText } from '../said.js';
import * as actions from '../actions.js';
import { LegStates } from './resources.js';
import { vmFailures } from '../mtbf.js';
import { MoveButton, MoveCard, lastMove, preferred } from '../move.js';

function CreateButton() {
	const why = connection.get() === 'lost' ? t('why.lost') : may('vm-manager') ? null : t('why.role');
	return html`<${Button} kind="primary" icon="plus" why=${why} onClick=${() => go('/vms/create')}>${t('create.title')}<//>`;
}

const Where = ({ vm }) => (vm.node
	? html`${vm.node}${vm.preferred && vm.preferred !== vm.node && html` <span class="tag">${t('vm.prefers', { node: vm.preferred })}</span>`}`
	: html`<span class="dim">–</span>`);

function VmState({ vm }) {
	return html`<${State} kind="vm" state=${vm.state} activity=${vm.activity} />
		${typeof vm.progress_percent === 'number' && html`<${Progress} percent=${vm.progress_percent} label=${t('vm.progressOf', { name: vm.name })} />`}
		${vm.migration && html`<${Progress} percent=${vm.migration.percent} label=${t('move.title', vm.migration)} />`}`;
}

export function Vms() {
	const { data, error } = useLive('vms');
	useSignal(connection);
	const head = html`<${PageHead} title=${t('menu.vms')}><${CreateButton} /><//>`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	return html`${head}<${Card} body=${false}><${Table} caption=${t('menu.vms')} rows=${data}
		empty=${html`<${Empty} icon="vm" text=${t('vm.none')} />`} columns=${[
		{ key: 'name', title: t('field.name'), name: true, cell: (v) => html`<a href=${vmPath(v.id)}>${v.name}</a>` },
		{ key: 'state', title: t('field.state'), cell: (v) => html`<${VmState} vm=${v} />` },
		{ key: 'node', title: t('field.runsOn'), cell: (v) => html`<${Where} vm=${v} />` },
		{ key: 'vcpus', title: t('field.vcpus'), right: true, cell: (v) => number(v.vcpus) },
		{ key: 'memory', title: t('field.memory'), right: true, cell: (v) => html`<span class="nowrap">${bytes(v.memory_bytes)}</span>` },
		{ key: 'os', title: t('field.os'), wide: true, cell: (v) => word('os', v.os) },
		{ key: 'do', title: t('field.actions'), cell: (v) => html`<div class="row-tools"><${QuickButton} vm=${v} /></div>` },
	]} /><//>`;
}

// the one action that the list offers: start what is off, look at what runs
function QuickButton({ vm }) {
	if (vm.activity === 'stopped')
		return html`<${Button} small icon="start" why=${actions.whyNot(vm, 'start')} onClick=${() => actions.start(vm)}
			label=${t('do.startOf', { name: vm.name })}>${t('do.start')}<//>`;
	return html`<${Button} small icon="screen" why=${screenWhy(vm)} onClick=${() => go(`${vmPath(vm.id).slice(1)}/screen`)}
		label=${t('do.screenOf', { name: vm.name })}>${t('do.screen')}<//>`;
}

function screenWhy(vm) {
	if (!may('vm-manager'))
		return t('why.role');
	return ['stopped', 'installing'].includes(vm.activity) ? t('why.console') : null;
}

function VmTools({ vm }) {
	const a = actions;
	const running = !['stopped', 'installing', 'crashed'].includes(vm.activity);
	return html`
		${running ? html`<${Button} kind="primary" icon="screen" why=${screenWhy(vm)} onClick=${() => go(`${vmPath(vm.id).slice(1)}/screen`)}>${t('do.screen')}<//>`
			: html`<${Button} kind="primary" icon="start" why=${a.whyNot(vm, 'start')} onClick=${() => a.start(vm)}>${t('do.start')}<//>`}
		<${Button} icon="shutdown" why=${a.whyNot(vm, 'shutdown')} onClick=${() => a.shutdown(vm)}>${t('do.shutdown')}<//>
		<${Button} icon="poweroff" why=${a.whyNot(vm, 'poweroff')} onClick=${() => a.powerOff(vm)}>${t('do.poweroff')}<//>
		<${MoveButton} vm=${vm} />
		<${Button} icon="edit" why=${a.whyNot(vm, 'rename')} onClick=${() => a.rename(vm)}>${t('do.rename')}<//>
		<${Button} kind="danger-quiet" icon="trash" why=${a.whyNot(vm, 'delete')} onClick=${() => a.remove(vm)}>${t('do.remove')}<//>`;
}

export function Vm({ id }) {
	const { data, error } = useLive('vms');
	const { data: volumes } = useLive('volumes');
	useLive('nodes');
	useSignal(connection);
	useSignal(session);
	const crumb = html`<a href="#/vms">${t('menu.vms')}</a>`;
	if (!data)
		return html`<${PageHead} title=${t('vm.one')} crumb=${crumb} /><${Loading} error=${error} />`;
	const vm = data.find((v) => v.id === id || v.name === id);
	if (!vm)
		return html`<${PageHead} title=${t('vm.gone')} crumb=${crumb} /><${Notice} tone="idle" icon="info"><p>${t('vm.goneText')}</p><//>`;
	const [tone, icon] = look('vm', vm.state, vm.activity);
	return html`<${PageHead} title=${vm.name} crumb=${crumb} sub=${vm.description}
		state=${html`<span role="status"><${State} pill kind="vm" state=${vm.state} activity=${vm.activity} /></span>`}><${VmTools} vm=${vm} /><//>
		<div class="stack">
		${reasonText(vm.reason) && html`<${Notice} tone=${tone} icon=${icon}><p>${reasonText(vm.reason, vm.node)}</p><//>`}
		${typeof vm.progress_percent === 'number' && html`<${Card} title=${word('activity.vm', vm.activity)}>
			<${Progress} percent=${vm.progress_percent} label=${t('vm.progressOf', { name: vm.name })} /><//>`}
		<${MoveCard} vm=${vm} />
		<div class="grid2">
			<${Card} title=${t('vm.summary')}><${Facts} rows=${[
				[t('field.runsOn'), html`<${Where} vm=${vm} />`],
				preferred(vm),
				lastMove(vm),
				[t('field.vcpus'), number(vm.vcpus)],
				[t('field.memory'), bytes(vm.memory_bytes)],
				[t('field.os'), word('os', vm.os)],
				[t('vm.startedAt'), vm.started_utc ? html`<${Time} utc=${vm.started_utc} />` : '–'],
				[t('vm.createdAt'), html`<${Time} utc=${vm.created_utc} />`],
			]} /><//>
			<${Card} title=${t('vm.technical')}><${Facts} rows=${[
				[t('field.id'), html`<code>${vm.id}</code>`],
				['UUID', html`<code>${vm.uuid}</code>`],
				[t('vm.acceleration'), vm.acceleration ? word('acceleration', vm.acceleration) : '–'],
				[t('vm.crashes'), vmFailures(vm)],
			]} /><//>
		</div>
		<${Card} title=${t('menu.volumes')} body=${false}><${Table} caption=${t('menu.volumes')} rows=${vm.volumes || []}
			empty=${html`<${Empty} icon="volume" text=${t('volume.none')} />`} columns=${volumeColumns(volumes || [])} /><//>
		<${Card} title=${t('menu.networks')} body=${false}><${Table} caption=${t('menu.networks')} rows=${vm.networks || []}
			empty=${html`<${Empty} icon="network" text=${t('network.noneVm')} />`} columns=${[
			{ key: 'name', title: t('field.name'), name: true, cell: (n) => n.name },
			{ key: 'mac', title: t('field.mac'), cell: (n) => html`<code>${n.mac}</code>` },
		]} /><//>
		</div>`;
}

function volumeColumns(all) {
	const full = (v) => all.find((x) => x.id === v.id) || v;
	return [
		{ key: 'name', title: t('field.name'), name: true, cell: (v) => html`${v.name} ${v.boot && html`<span class="tag">${t('volume.boot')}</span>`}` },
		{ key: 'device', title: t('field.device'), cell: (v) => html`<code>${v.device}</code>` },
		{ key: 'size', title: t('field.size'), right: true, cell: (v) => html`<span class="nowrap">${bytes(v.size_bytes)}</span>` },
		{ key: 'state', title: t('field.state'), cell: (v) => html`<${State} kind="volume" state=${full(v).state} activity=${full(v).activity} />` },
		{ key: 'legs', title: t('volume.legs'), cell: (v) => html`<${LegStates} volume=${full(v)} />` },
	];
}
