// SPDX-License-Identifier: GPL-2.0-or-later
//
// The two physical machines, side by side.
import { html } from '../lib.js';
import { t, word, bytes, number, duration } from '../i18n.js';
import { useLive } from '../live.js';
import { vmPath } from '../router.js';
import { Card, commas, Facts, Loading, Notice, PageHead } from '../ui/parts.js';
import { Icon } from '../ui/icons.js';
import { reasonText } from '../said.js';
import { nodeFailures } from '../mtbf.js';
import { State, look } from '../ui/state.js';

const yesNo = (ok, word_) => html`<${State} kind="link" state=${ok ? 'up' : 'down'} label=${word_} />`;

// The signs of life that the unit has of a PM: losing all of them means that it is lost.
function Signs({ signs }) {
	if (!signs)
		return '–';
	const rows = [
		[t('sign.membership'), signs.corosync], [t('sign.agent'), signs.agent], [t('sign.mirror'), signs.mirror],
	];
	return html`<ul class="signs">${rows.map(([name, ok]) => html`<li key=${name}>${yesNo(ok, `${name}: ${t(ok ? 'sign.seen' : 'sign.missing')}`)}</li>`)}
		${(signs.heartbeats || []).map((h) => html`<li key=${h.link}><span class="dim">${t('sign.heartbeat', { link: h.link })}</span>
			<span class="num"> ${h.age_ms === null || h.age_ms === undefined ? '–' : t('time.seconds', { s: number(h.age_ms / 1000, 2) })}</span></li>`)}</ul>`;
}

function Node({ node, vms }) {
	const [tone, icon] = look('node', node.state, node.activity);
	const here = vms.filter((v) => v.node === node.name);
	const v = node.versions || {};
	const title = html`<span class="node-title"><${Icon} name="node" /> ${node.name}
		${node.primary && html` <span class="tag primary-tag"><${Icon} name="star" />${t('node.primary')}</span>`}</span>`;
	return html`<${Card} title=${title} tools=${html`<span role="status"><${State} pill kind="node" state=${node.state} activity=${node.activity} /></span>`}>
		<div class="stack">
		${reasonText(node.reason) && node.state !== 'good' && html`<${Notice} tone=${tone} icon=${icon}><p>${reasonText(node.reason, node.name)}</p><//>`}
		<${Facts} rows=${[
			[t('node.role'), word('role.node', node.role)],
			[t('menu.vms'), here.length ? commas(here.map((x) => html`<a href=${vmPath(x.id)} key=${x.id}>${x.name}</a>`)) : html`<span class="dim">${t('picture.noVms')}</span>`],
			[t('node.addresses'), commas((node.addresses || []).map((a) => html`<code key=${a}>${a}</code>`))],
			[t('node.processors'), node.cpus ? t('node.cpus', { threads: node.cpus.threads, cores: node.cpus.cores, sockets: node.cpus.sockets }) : '–'],
			[t('field.memory'), bytes(node.memory_bytes)],
			[t('vm.acceleration'), node.acceleration ? word('acceleration', node.acceleration) : '–'],
			[t('node.uptime'), node.uptime_s === null || node.uptime_s === undefined ? '–' : duration(node.uptime_s)],
			[t('node.watchdog'), node.watchdog ? word('watchdog', node.watchdog.state) : '–'],
			[t('node.failures'), nodeFailures(node)],
			[t('node.signs'), html`<${Signs} signs=${node.signs} />`],
			node.agent && node.agent.beats_ignored > 0 && [t('node.beatsIgnored'), number(node.agent.beats_ignored)],
			[t('node.software'), html`<span class="small">${commas(Object.entries(v).filter(([, x]) => x).map(([k, x]) => html`<span class="nowrap" key=${k}>${k} ${x}</span>`))}</span>`],
		]} /></div>
	<//>`;
}

export function Nodes() {
	const { data, error } = useLive('nodes');
	const { data: vms } = useLive('vms');
	const head = html`<${PageHead} title=${t('menu.nodes')} />`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	return html`${head}<div class="grid2">${data.map((n) => html`<${Node} key=${n.id} node=${n} vms=${vms || []} />`)}</div>`;
}
