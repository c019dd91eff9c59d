// SPDX-License-Identifier: GPL-2.0-or-later
//
// The guest's screen, keyboard and mouse, on the whole window.
//
//   opening --connected--> shown --cut--> again --retry--> opening
//      ^  '--failed--> again      VM stopped: off, until it runs again
//
// The guest may restart, or move to the other PM: the stream is cut and opened
// again by itself for as long as the VM runs.
import { html, useEffect, useRef, useSignal, useState } from '../lib.js';
import { t } from '../i18n.js';
import { post, part } from '../api.js';
import { connection, useLive } from '../live.js';
import { vmPath, go } from '../router.js';
import { whyNot, start } from '../actions.js';
import { Button, Notice } from '../ui/parts.js';
import { Icon } from '../ui/icons.js';
import { State } from '../ui/state.js';

const RETRY_MS = 1200;
const hasScreen = (vm) => Boolean(vm) && !['stopped', 'installing'].includes(vm.activity);

let library = null;	// noVNC, fetched when it is first needed

async function open(id, box) {
	library = library || import('../../vendor/novnc/core/rfb.js');
	const [{ default: RFB }, ticket] = await Promise.all([library, post(`/vms/${part(id)}/console`)]);
	const path = ticket.path || ticket.url;
	const url = new URL(path, location.href);
	url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
	const rfb = new RFB(box, url.href, { wsProtocols: ['binary'] });
	rfb.showDotCursor = true;
	rfb.background = 'transparent';
	return rfb;
}

// -> {phase, error, rfb}: keeps a stream open while 'wanted'
function useScreen(id, box, wanted, fit) {
	const [phase, setPhase] = useState('opening');
	const [error, setError] = useState(null);
	const [turn, setTurn] = useState(0);
	const rfbRef = useRef(null);
	useEffect(() => {
		if (!wanted) {
			setPhase('off');
			return undefined;
		}
		let over = false;
		let timer = null;
		const again = (e) => {
			if (over)
				return;
			setError(e);
			setPhase('again');
			timer = setTimeout(() => setTurn((n) => n + 1), RETRY_MS);
		};
		if (turn === 0)
			setPhase('opening');
		open(id, box.current).then((rfb) => {
			if (over) {
				rfb.disconnect();
				return;
			}
			rfbRef.current = rfb;
			rfb.scaleViewport = fit;
			rfb.addEventListener('connect', () => {
				setPhase('shown');
				setError(null);
				rfb.focus({ preventScroll: true });
			});
			rfb.addEventListener('disconnect', () => {
				rfbRef.current = null;
				again(null);
			});
		}).catch((e) => {
			if (!e.code)	// the library didn't come: let the next try fetch it
				library = null;
			again(e);
		});
		return () => {
			over = true;
			clearTimeout(timer);
			if (rfbRef.current)
				rfbRef.current.disconnect();
			rfbRef.current = null;
		};
	}, [id, wanted, turn]);
	useEffect(() => {
		if (rfbRef.current)
			rfbRef.current.scaleViewport = fit;
	}, [fit, phase]);
	return { phase, error, rfb: rfbRef.current };
}

export function Screen({ id }) {
	const { data: vms } = useLive('vms');
	const link = useSignal(connection);
	const box = useRef(null);
	const leave = useRef(null);
	const [fit, setFit] = useState(true);
	const vm = (vms || []).find((v) => v.id === id || v.name === id);
	const { phase, error, rfb } = useScreen(id, box, hasScreen(vm) && link !== 'lost', fit);
	const name = vm ? vm.name : '';
	useEffect(() => {
		document.title = `${t('screen.title', { name })} · avpair`;
	}, [name]);
	useEffect(() => {	// the way out for somebody without a mouse
		const keys = (ev) => {
			if (ev.ctrlKey && ev.altKey && ev.shiftKey && leave.current)
				leave.current.focus();
		};
		addEventListener('keydown', keys, { capture: true });
		return () => removeEventListener('keydown', keys, { capture: true });
	}, []);
	let said = null;
	if (vms && !vm)
		said = t('vm.gone');
	else if (link === 'lost')
		said = t('connect.lost');
	else if (phase === 'off' && vm)
		said = t('screen.off', { name });
	else if (phase === 'again')
		said = t('screen.again');
	else if (phase === 'opening')
		said = t('screen.opening');
	return html`<div class="screen">
		<header class="screen-bar">
			<a class="btn quiet" href=${vmPath(id)} ref=${leave}><${Icon} name="back" /><span>${t('common.back')}</span></a>
			<h1>${t('screen.title', { name })}</h1>
			${vm && html`<${State} pill kind="vm" state=${vm.state} activity=${vm.activity} />`}
			<span class="space"></span>
			<span class="small dim screen-hint">${t('screen.keys')}</span>
			<${Button} small icon="keyboard" why=${phase === 'shown' ? null : t('why.noScreen')} onClick=${() => {
				rfb.sendCtrlAltDel();
				rfb.focus();
			}}>Ctrl-Alt-Del<//>
			<fieldset class="seg-set"><legend class="hidden-text">${t('screen.scale')}</legend><div class="seg small">
				<label><input type="radio" name="fit" checked=${fit} onChange=${() => setFit(true)} />${t('screen.fit')}</label>
				<label><input type="radio" name="fit" checked=${!fit} onChange=${() => setFit(false)} />1:1</label></div></fieldset>
			<${Button} small icon="full" onClick=${() => (document.fullscreenElement ? document.exitFullscreen()
				: document.documentElement.requestFullscreen().catch(() => {}))}>${t('screen.full')}<//>
		</header>
		<main class="screen-main">
			<div class="screen-box" ref=${box} data-phase=${phase}></div>
			<div class=${said ? 'screen-said' : 'hidden-text'} role="status">${said && html`<div class="card">
				<${Notice} tone=${phase === 'off' ? 'idle' : 'busy'}><p>${said}</p>
				${error && html`<p class="dim small">${error.code ? error.message : ''}</p>`}
				${phase === 'off' && vm && html`<p><${Button} icon="start" kind="primary" why=${whyNot(vm, 'start')} onClick=${() => start(vm)}>${t('do.start')}<//></p>`}
				<//></div>`}</div>
		</main>
	</div>`;
}
