// SPDX-License-Identifier: GPL-2.0-or-later
//
// The picture of the unit: both PMs with the VMs that run in them, the links
// between them, the business network and the quorum server.
//
// It is drawn in the pixels of the room that it has, so that its text keeps
// its size.  place() decides where things are, the rest draws them.
import { html, useEffect, useRef, useState } from '../lib.js';
import { t, word, number } from '../i18n.js';
import { vmPath } from '../router.js';
import { Icon } from '../ui/icons.js';
import { look, stateWord } from '../ui/state.js';

const BAR = 44, GAP = 36, HEAD = 74, ROW = 46, QUORUM_W = 210, QUORUM_H = 58, MAX_ROWS = 6;

let canvas = null;

// 'text' cut with an ellipsis so that it is at most 'width' pixels wide
function fit(text, width, size = 14, weight = 500) {
	canvas = canvas || document.createElement('canvas').getContext('2d');
	canvas.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
	if (canvas.measureText(text).width <= width)
		return text;
	const letters = [...text];
	while (letters.length > 1 && canvas.measureText(`${letters.join('')}…`).width > width)
		letters.pop();
	return `${letters.join('')}…`;
}

const textWidth = (text, size, weight) => {
	fit('', 0, size, weight);
	return canvas.measureText(text).width;
};

function place(width, n_rows, n_lines) {
	const mid = Math.max(160, Math.min(260, Math.round(width * 0.25)));
	const pmW = Math.floor((width - mid) / 2) - 1;
	const pmH = Math.max(HEAD + n_rows * ROW + 12, 40 + n_lines * 50, 180);
	const top = BAR + GAP;
	return {
		width, mid, pmW, pmH, top,
		pmX: [1, width - pmW - 1],
		midX: Math.round(width / 2),
		quorumY: top + pmH + 34,
		height: top + pmH + 34 + QUORUM_H + 2,
	};
}

// an address as a person types it, without the network's size
export const plainAddress = (address) => (address ? address.split('/')[0] : '–');

const lineTone = (state) => look('link', state)[0];

function Wire({ d, tone, strong }) {
	return html`<path class=${`wire ${tone} ${strong ? 'strong' : ''}`} d=${d} />`;
}

// A label that sits on a wire, with the icon of its state
function Plate({ x, y, tone, icon, text, max }) {
	const shown = fit(text, max - 44, 13, 560);
	const w = textWidth(shown, 13, 560) + 42;
	return html`<g class=${`plate ${tone}`}>
		<title>${text}</title>
		<rect x=${x - w / 2} y=${y - 14} width=${w} height="28" rx="14" />
		<${Icon} name=${icon} x=${x - w / 2 + 9} y=${y - 8} size="16" />
		<text x=${x - w / 2 + 30} y=${y + 4.5} class="t13">${shown}</text>
	</g>`;
}

function VmRow({ vm, x, y, w }) {
	const [tone, icon] = look('vm', vm.state, vm.activity);
	const state = stateWord('vm', vm.state, vm.activity);
	const sw = Math.min(textWidth(state, 13, 560), w * 0.45);
	const name = fit(vm.name, w - sw - 84, 14, 560);
	return html`<a href=${vmPath(vm.id)} class="pic-vm">
		${name !== vm.name && html`<title>${vm.name}</title>`}
		<rect x=${x} y=${y} width=${w} height=${ROW - 8} rx="6" />
		<${Icon} name="vm" x=${x + 10} y=${y + 10} size="18" />
		<text x=${x + 36} y=${y + 24} class="t14">${name}</text>
		<g class=${`tone ${tone}`}><${Icon} name=${icon} x=${x + w - sw - 32} y=${y + 11} size="16" />
		<text x=${x + w - sw - 11} y=${y + 24} class="t13">${fit(state, sw + 1, 13, 560)}</text></g>
	</a>`;
}

function Pm({ node, vms, at, i, rows }) {
	const x = at.pmX[i], y = at.top, w = at.pmW;
	const [tone, icon] = look('node', node.state, node.activity);
	const state = stateWord('node', node.state, node.activity);
	const shown = vms.length > rows ? vms.slice(0, rows - 1) : vms;
	const name = fit(node.name, w - 150, 16, 650);
	const tagX = x + 48 + textWidth(name, 16, 650) + 12;
	return html`<g class=${`pm ${tone}`} role="group" aria-label=${`${node.name}${node.primary ? `, ${t('node.primary')}` : ''}: ${state}`}>
		<rect class="box" x=${x} y=${y} width=${w} height=${at.pmH} rx="10" />
		<a href="#/nodes">
			<rect class="hit" x=${x + 6} y=${y + 6} width=${w - 12} height=${HEAD - 14} rx="6" />
			<${Icon} name="node" x=${x + 16} y=${y + 15} size="22" />
			<text x=${x + 48} y=${y + 31} class="t16">${name}</text>
			<g class=${`tone ${tone}`}><${Icon} name=${icon} x=${x + 48} y=${y + 40} size="16" />
			<text x=${x + 70} y=${y + 53} class="t13">${fit(state, w - 90, 13, 560)}</text></g>
		</a>
		${node.primary && html`<g class="star"><rect x=${tagX} y=${y + 15} height="22" width=${textWidth(t('node.primary'), 12, 560) + 30} rx="4" />
			<${Icon} name="star" x=${tagX + 7} y=${y + 19} size="14" />
			<text x=${tagX + 24} y=${y + 30.5} class="t12">${t('node.primary')}</text></g>`}
		${shown.map((vm, k) => html`<${VmRow} key=${vm.id} vm=${vm} x=${x + 12} y=${y + HEAD + k * ROW} w=${w - 24} />`)}
		${vms.length > shown.length && html`<a href="#/vms"><text x=${x + 24} y=${y + HEAD + shown.length * ROW + 24} class="t13 linkish">
			${t('picture.more', { n: vms.length - shown.length })}</text></a>`}
		${vms.length === 0 && html`<text x=${x + 16} y=${y + HEAD + 24} class="t13 dim">${fit(t('picture.noVms'), w - 30, 13)}</text>`}
	</g>`;
}

function mirrorOf(volumes) {
	const used = (volumes || []).filter((v) => v.activity !== 'stopped');
	if (used.length === 0)
		return null;
	const syncing = used.filter((v) => v.activity === 'syncing');
	const bad = used.find((v) => v.state === 'critical') || used.find((v) => ['one-leg', 'held', 'split'].includes(v.activity));
	if (bad && !syncing.length)
		return { tone: look('volume', bad.state, bad.activity)[0], icon: look('volume', bad.state, bad.activity)[1],
			text: word('activity.volume', bad.activity), down: true };
	if (syncing.length) {
		const low = Math.min(...syncing.map((v) => (v.sync_percent === null || v.sync_percent === undefined ? 0 : v.sync_percent)));
		return { tone: 'busy', icon: 'busy', text: t('picture.syncing', { percent: number(Math.floor(low)) }) };
	}
	return { tone: 'good', icon: 'good', text: t('picture.inStep') };
}

function Between({ at, links, mirror }) {
	const x0 = at.pmX[0] + at.pmW, x1 = at.pmX[1];
	const lines = links.map((l) => ({
		tone: lineTone(l.state), icon: look('link', l.state)[1], key: l.name,
		text: `${l.name} · ${word('link', l.state)}`,
	}));
	if (mirror)
		lines.push({ ...mirror, key: 'mirror', strong: true });
	const step = Math.min(52, (at.pmH - 40) / Math.max(1, lines.length));
	const first = at.top + at.pmH / 2 - step * (lines.length - 1) / 2;
	return html`<g role="group" aria-label=${t('picture.links')}>${lines.map((l, i) => {
		const y = Math.round(first + i * step);
		return html`<g key=${l.key}><${Wire} d=${`M${x0} ${y}H${x1}`} tone=${l.tone} strong=${l.strong} />
			<${Plate} x=${at.midX} y=${y} tone=${l.tone} icon=${l.icon} text=${l.text} max=${at.mid - 8} /></g>`;
	})}</g>`;
}

function Business({ at, unit, networks }) {
	const text = t('picture.business', { address: plainAddress(unit.address) });
	const portOf = (i) => {
		const ports = (networks || []).flatMap((n) => n.ports || []).filter((p) => p.node === `node${i}`);
		const bad = ports.find((p) => p.link === 'down');
		return bad || ports[0] || { link: 'unknown' };
	};
	return html`<g>
		<a href="#/networks" class="bar"><rect x="1" y="1" width=${at.width - 2} height=${BAR - 4} rx="20" />
		<text x=${at.midX} y=${BAR / 2 + 3} class="t13" text-anchor="middle">${fit(text, at.width - 40, 13)}</text></a>
		${[0, 1].map((i) => {
			const x = at.pmX[i] + Math.round(at.pmW / 2);
			const p = portOf(i);
			return html`<g key=${i}><title>${`${p.interface || ''} ${word('link', p.link)}`}</title>
				<${Wire} d=${`M${x} ${BAR - 3}V${at.top}`} tone=${lineTone(p.link)} />
				${p.link === 'down' && html`<${Plate} x=${x} y=${BAR + GAP / 2 - 2} tone="critical" icon="critical" text=${`${p.interface} · ${word('link', p.link)}`} max=${at.pmW} />`}</g>`;
		})}</g>`;
}

function Quorum({ at, arbiter, nodes }) {
	const none = !arbiter || arbiter.kind === 'none' || arbiter.state === 'unconfigured';
	const [tone, icon] = none ? ['idle', 'idle'] : look('quorum', arbiter.state);
	const state = none ? t('quorum.none') : word('quorum', arbiter.state);
	const w = Math.min(QUORUM_W + 30, at.width - 40), x = at.midX - w / 2, y = at.quorumY;
	const wy = y + QUORUM_H / 2;
	return html`<g role="group" aria-label=${`${t('quorum.title')}: ${state}`}>
		<title>${arbiter ? arbiter.text || state : state}</title>
		${[0, 1].map((i) => {
			const px = at.pmX[i] + Math.round(at.pmW / 2);
			const off = none || (nodes[i] && ['lost', 'stopped'].includes(nodes[i].activity));
			return html`<${Wire} key=${i} tone=${off ? 'idle' : tone}
				d=${`M${px} ${at.top + at.pmH}V${wy - 8}Q${px} ${wy} ${px + (i ? -8 : 8)} ${wy}H${i ? x + w : x}`} />`;
		})}
		<rect class=${`quorum ${none ? 'none' : ''}`} x=${x} y=${y} width=${w} height=${QUORUM_H} rx="10" />
		<${Icon} name="quorum" x=${x + 14} y=${y + 17} size="22" />
		<text x=${x + 48} y=${y + 25} class="t14">${fit(t('quorum.title'), w - 60, 14, 560)}</text>
		<g class=${`tone ${tone}`}><${Icon} name=${icon} x=${x + 48} y=${y + 32} size="16" />
		<text x=${x + 70} y=${y + 45} class="t13">${fit(state, w - 80, 13, 560)}</text></g>
	</g>`;
}

export function Picture({ unit, nodes, vms, volumes, networks }) {
	const box = useRef(null);
	const [width, setWidth] = useState(0);
	useEffect(() => {
		const watch = new ResizeObserver((e) => setWidth(Math.floor(e[0].contentRect.width)));
		watch.observe(box.current);
		return () => watch.disconnect();
	}, []);
	const here = nodes.map((n) => vms.filter((v) => v.node === n.name && v.activity !== 'stopped'));
	const rows = Math.min(MAX_ROWS, Math.max(2, ...here.map((l) => l.length)));
	const links = (unit.links || []).filter((l) => l.role !== 'business');
	const mirror = mirrorOf(volumes);
	const at = place(Math.max(520, width), rows, links.length + (mirror ? 1 : 0));
	const off = vms.filter((v) => !v.node || v.activity === 'stopped');
	return html`<figure class="picture"><div ref=${box} class="picture-box">${width > 0 && html`
		<svg width=${at.width} height=${at.height} viewBox=${`0 0 ${at.width} ${at.height}`} role="group" aria-label=${t('picture.label')}>
			<${Business} at=${at} unit=${unit} networks=${networks} />
			<${Between} at=${at} links=${links} mirror=${mirror} />
			<${Quorum} at=${at} arbiter=${unit.arbiter} nodes=${nodes} />
			${nodes.slice(0, 2).map((n, i) => html`<${Pm} key=${n.id} node=${n} vms=${here[i]} at=${at} i=${i} rows=${rows} />`)}
		</svg>`}</div>
		${off.length > 0 && html`<figcaption><span class="dim">${t('picture.stopped')}</span> ${off.map((v, i) => html`
			${i > 0 ? ', ' : ''}<a href=${vmPath(v.id)} key=${v.id}>${v.name}</a>`)}</figcaption>`}
	</figure>`;
}
