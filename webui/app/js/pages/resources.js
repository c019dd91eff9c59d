// SPDX-License-Identifier: GPL-2.0-or-later
//
// Volumes with their two legs, and networks.
import { html } from '../lib.js';
import { t, word, bytes, number } from '../i18n.js';
import { useLive } from '../live.js';
import { vmPath } from '../router.js';
import { Card, commas, Empty, Loading, PageHead, Progress, Table, Time } from '../ui/parts.js';
import { State } from '../ui/state.js';
import { CareSettings, VolumeCare, VolumeTools } from './volume_care.js';

const legLook = { uptodate: 'good', outdated: 'alert', inconsistent: 'alert', failed: 'critical', unknown: 'unknown' };

// What each PM's copy of a volume is worth, and how far copying is.
export function LegStates({ volume }) {
	return html`<div class="legs">${(volume.legs || []).map((leg) => html`<div key=${leg.node} class="leg">
			<span class="dim">${leg.node}</span>
			<${State} kind="leg" state=${legLook[leg.disk] || 'unknown'} label=${word('disk', leg.disk)} /></div>`)}
		${volume.activity === 'syncing' && html`<${Progress} percent=${volume.sync_percent} seconds_left=${volume.seconds_left}
			label=${t('volume.syncOf', { name: volume.name })} />`}</div>`;
}

// How much the last catching up had to copy.
function Resync({ r }) {
	if (!r)
		return null;
	return html`<div class="small dim">${t('volume.resynced', { changed: bytes(r.bytes_changed), copied: bytes(r.bytes_copied) })}
		${' '}<${Time} utc=${r.finished_utc} /></div>`;
}

export function Volumes() {
	const { data, error } = useLive('volumes');
	const { data: groups } = useLive('storage-groups');
	const head = html`<${PageHead} title=${t('menu.volumes')} />`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	return html`${head}<div class="stack"><${Card} body=${false}><${Table} caption=${t('menu.volumes')} rows=${data}
		empty=${html`<${Empty} icon="volume" text=${t('volume.none')} />`} columns=${[
		{ key: 'name', title: t('field.name'), name: true, cell: (v) => html`${v.name} ${v.boot && html`<span class="tag">${t('volume.boot')}</span>`}
			<div class="small">${v.vm ? html`${t('vm.one')} <a href=${vmPath(v.vm.id)}>${v.vm.name}</a>` : html`<span class="dim">${t('volume.unused')}</span>`}</div>` },
		{ key: 'state', title: t('field.state'), cell: (v) => html`<${State} kind="volume" state=${v.state} activity=${v.activity} />` },
		{ key: 'legs', title: t('volume.legs'), cell: (v) => html`<${LegStates} volume=${v} /><${VolumeCare} volume=${v} /><${Resync} r=${v.last_resync} />` },
		{ key: 'size', title: t('field.size'), right: true, cell: (v) => html`<span class="nowrap">${bytes(v.size_bytes)}</span>` },
		{ key: 'do', title: t('field.actions'), cell: (v) => html`<${VolumeTools} volume=${v} />` },
	]} /><//>
	<${CareSettings} />
	${groups && groups.length > 0 && html`<${Card} title=${t('storage.title')} body=${false}><${Table} caption=${t('storage.title')} rows=${groups} columns=${[
		{ key: 'name', title: t('field.name'), name: true, cell: (g) => g.name },
		{ key: 'state', title: t('field.state'), cell: (g) => html`<${State} kind="storage" state=${g.state} />` },
		{ key: 'used', title: t('storage.used'), cell: (g) => html`<${Progress} percent=${g.size_bytes ? g.used_bytes / g.size_bytes * 100 : 0} label=${t('storage.usedOf', { name: g.name })} />` },
		{ key: 'free', title: t('storage.free'), right: true, cell: (g) => html`<span class="nowrap">${bytes(g.free_bytes)}</span>` },
		{ key: 'size', title: t('field.size'), right: true, cell: (g) => html`<span class="nowrap">${bytes(g.size_bytes)}</span>` },
		{ key: 'n', title: t('menu.volumes'), right: true, cell: (g) => number((g.volumes || []).length) },
	]} /><//>`}</div>`;
}

export function Networks() {
	const { data, error } = useLive('networks');
	const { data: vms } = useLive('vms');
	const { data: unit } = useLive('unit');
	const head = html`<${PageHead} title=${t('menu.networks')} />`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	const nameOf = (x) => {
		const vm = (vms || []).find((v) => v.id === (x.id || x) || v.name === x);
		return vm ? html`<a href=${vmPath(vm.id)} key=${vm.id}>${vm.name}</a>` : `${x.name || x}`;
	};
	return html`${head}<div class="stack"><${Card} title=${t('network.business')} body=${false}><${Table} caption=${t('network.business')} rows=${data}
		empty=${html`<${Empty} icon="network" text=${t('network.none')} />`} columns=${[
		{ key: 'name', title: t('field.name'), name: true, cell: (n) => n.name },
		{ key: 'state', title: t('field.state'), cell: (n) => html`<${State} kind="network" state=${n.state} />` },
		{ key: 'ports', title: t('network.ports'), cell: (n) => html`<div class="legs">${(n.ports || []).map((p) => html`<div class="leg" key=${p.node + p.interface}>
			<span class="dim">${p.node}</span><code>${p.interface}</code><${State} kind="link" state=${p.link} label=${word('link', p.link)} /></div>`)}</div>` },
		{ key: 'vms', title: t('menu.vms'), cell: (n) => ((n.vms || []).length ? commas((n.vms || []).map(nameOf)) : html`<span class="dim">–</span>`) },
		{ key: 'bridge', title: t('network.bridge'), cell: (n) => html`<code>${n.bridge}</code>` },
		{ key: 'mtu', title: 'MTU', right: true, cell: (n) => String(n.mtu) },
	]} /><//>
	<${Card} title=${t('network.links')} body=${false}><${Table} caption=${t('network.links')} rows=${(unit && unit.links) || []}
		empty=${html`<${Empty} icon="link" text=${t('network.noLinks')} />`} columns=${[
		{ key: 'name', title: t('field.name'), name: true, cell: (l) => l.name },
		{ key: 'state', title: t('field.state'), cell: (l) => html`<${State} kind="link" state=${l.state} label=${word('link', l.state)} />` },
		{ key: 'role', title: t('network.role'), cell: (l) => word('linkrole', l.role) },
		{ key: 'a', title: 'node0', cell: (l) => html`<code>${l.node0}</code>` },
		{ key: 'b', title: 'node1', cell: (l) => html`<code>${l.node1}</code>` },
	]} /><//></div>`;
}
