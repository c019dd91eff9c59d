// SPDX-License-Identifier: GPL-2.0-or-later
//
// One glance: is everything redundant, and if not, what to do.
import { html, useSignal } from '../lib.js';
import { t, tn, bytes, number, milliseconds } from '../i18n.js';
import { useLive, connection } from '../live.js';
import { vmPath } from '../router.js';
import { Card, commas, Facts, Loading, Notice, PageHead, Time } from '../ui/parts.js';
import { look, stateWord } from '../ui/state.js';
import { reasonText } from '../said.js';
import { Picture, plainAddress } from './picture.js';
import { AlertItem, bySeverity } from './alert.js';

function Meter({ label, used, total, show }) {
	const percent = total > 0 ? Math.min(100, used / total * 100) : 0;
	return html`<div class="meter"><div class="row"><span>${label}</span>
		<span class="num">${t('resources.of', { used: show(used), total: show(total) })}</span></div>
		<div class="progress"><progress max="100" value=${percent} aria-label=${label}></progress></div></div>`;
}

function Resources({ r }) {
	if (!r)
		return null;
	return html`<${Card} title=${t('resources.title')}>
		<${Meter} label=${t('resources.vcpus')} used=${r.vcpus_used} total=${r.vcpus_limit || r.vcpus_total} show=${number} />
		<${Meter} label=${t('resources.memory')} used=${r.memory_used_bytes} total=${r.memory_total_bytes} show=${bytes} />
		<${Meter} label=${t('resources.storage')} used=${r.storage_used_bytes} total=${r.storage_total_bytes} show=${bytes} />
	<//>`;
}

function Failover({ f, vms }) {
	if (!f)
		return null;
	const names = (f.vms || []).map((x) => {
		const vm = vms.find((v) => v.id === x || v.name === x || v.id === x.id);
		return vm ? html`<a href=${vmPath(vm.id)} key=${vm.id}>${vm.name}</a>` : `${x.name || x}`;
	});
	return html`<${Card} title=${t('failover.title')}><${Facts} rows=${[
		[t('failover.at'), html`<${Time} utc=${f.at_utc} />`],
		[t('failover.detected'), milliseconds(f.detected_ms)],
		[t('failover.claimed'), milliseconds(f.claimed_ms)],
		[t('failover.started'), milliseconds(f.started_ms)],
		names.length > 0 && [t('failover.vms'), commas(names)],
	]} /><//>`;
}

function About({ u }) {
	return html`<${Card} title=${t('unit.title')}><${Facts} rows=${[
		[t('unit.address'), html`<code>${plainAddress(u.address)}</code>`],
		[t('unit.version'), u.version],
		[t('unit.answers'), u.node],
		[t('unit.lostAfter'), milliseconds(u.timings.lost_ms)],
		[t('unit.startedAfter'), milliseconds(u.timings.dead_ms)],
		[html`<a href="#/quorum-servers">${t('quorum.title')}</a>`, u.arbiter && u.arbiter.kind !== 'none' ? html`<code>${u.arbiter.address || u.arbiter.kind}</code>` : t('quorum.none')],
	]} /><//>`;
}

export function Dashboard() {
	const unit = useLive('unit');
	const nodes = useLive('nodes');
	const vms = useLive('vms');
	const volumes = useLive('volumes');
	const networks = useLive('networks');
	const alerts = useLive('alerts');
	const lost = useSignal(connection) === 'lost';
	const title = t('menu.dashboard');
	if (!unit.data || !nodes.data || !vms.data)
		return html`<${PageHead} title=${title} /><${Loading} error=${unit.error || nodes.error || vms.error} />`;
	const u = unit.data;
	const open = (alerts.data || []).filter((a) => a.open && a.severity !== 'info').sort(bySeverity);
	const [tone, icon] = look('unit', u.state, u.activity);
	const well = u.state === 'good' && open.length === 0;
	return html`<${PageHead} title=${title} />
		<div class="stack">
		<div role="status" class="unit-says"><${Notice} tone=${lost ? 'idle' : tone} icon=${lost ? 'unknown' : icon}>
			<p><strong>${lost ? t('connect.lastKnown', { state: stateWord('unit', u.state, u.activity) }) : stateWord('unit', u.state, u.activity)}</strong></p>
			<p>${reasonText(u.reason) && !well ? reasonText(u.reason, u.node) : t(u.state === 'good' ? 'dashboard.well' : 'dashboard.unwell')}</p>
			${u.activity === 'split' && html`<p><a href="#/split">${t('split.title')}</a></p>`}
		<//></div>
		<${Card}><${Picture} unit=${u} nodes=${nodes.data} vms=${vms.data} volumes=${volumes.data} networks=${networks.data} /><//>
		<div class=${open.length > 0 ? 'dash-grid' : ''}>
			${open.length > 0 && html`<${Card} title=${t('dashboard.attention')} body=${false}>
				<div class="alert-list" aria-label=${tn('dashboard.open', open.length)} role="group">${open.map((a, i) => html`
					<${AlertItem} key=${a.id} alert=${a} open=${i < 2} />`)}</div>
			<//>`}
			<div class=${open.length > 0 ? '' : 'grid2'}><${Resources} r=${u.resources} /><${Failover} f=${u.last_failover} vms=${vms.data} /><${About} u=${u} /></div>
		</div></div>`;
}
