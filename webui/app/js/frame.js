// SPDX-License-Identifier: GPL-2.0-or-later
//
// The frame around every page after login: head, menu, the lost-connection
// banner, the inactivity notice, and which page is shown.
import { html, useEffect, useLayoutEffect, useRef, useSignal, useState } from './lib.js';
import { t, word, language, languages, useLanguage } from './i18n.js';
import { session, logout, get } from './api.js';
import { connection, lostSince, useLive } from './live.js';
import { place } from './router.js';
import { theme, toggleTheme } from './theme.js';
import { Icon } from './ui/icons.js';
import { look, stateWord } from './ui/state.js';
import { Button } from './ui/parts.js';
import { Dialog } from './ui/dialog.js';
import { Dashboard } from './pages/dashboard.js';
import { Vms, Vm } from './pages/vms.js';
import { CreateVm } from './pages/create.js';
import { Screen } from './pages/screen.js';
import { Nodes } from './pages/nodes.js';
import { Volumes, Networks } from './pages/resources.js';
import { QuorumServers } from './pages/quorum.js';
import { SplitPage } from './pages/split.js';
import { Alerts, Audit } from './pages/records.js';

const NOTICE_S = 60;

const menu = [
	[null, [['', 'dashboard', 'dashboard']]],
	['menu.resources', [['nodes', 'node', 'nodes'], ['vms', 'vm', 'vms'], ['volumes', 'volume', 'volumes'], ['networks', 'network', 'networks'], ['quorum-servers', 'quorum', 'quorum-servers']]],
	['menu.records', [['alerts', 'alerts', 'alerts'], ['audit', 'audit', 'audit']]],
];

function pageOf({ parts }) {
	switch (parts[0]) {
	case undefined: return html`<${Dashboard} />`;
	case 'vms':
		if (parts[1] === 'create')
			return html`<${CreateVm} />`;
		return parts[1] ? html`<${Vm} id=${parts[1]} key=${parts[1]} />` : html`<${Vms} />`;
	case 'nodes': return html`<${Nodes} />`;
	case 'volumes': return html`<${Volumes} />`;
	case 'networks': return html`<${Networks} />`;
	case 'quorum-servers': return html`<${QuorumServers} />`;
	case 'split': return html`<${SplitPage} />`;
	case 'alerts': return html`<${Alerts} />`;
	case 'audit': return html`<${Audit} />`;
	default: return html`<div class="page-head"><h1 tabindex="-1">${t('common.noPage')}</h1></div>
		<p><a href="#/">${t('menu.dashboard')}</a></p>`;
	}
}

function Menu({ here }) {
	const { data: unit } = useLive('unit');
	useLive('vms');		// what was asked of a VM is followed on every page
	const a = (unit && unit.alerts) || {};
	const bad = (a.critical || 0) + (a.serious || 0);
	const open = bad + (a.minor || 0);
	return html`<nav aria-label=${t('menu.label')}>${menu.map(([title, items]) => html`
		${title && html`<h2>${t(title)}</h2>`}
		<ul>${items.map(([path, icon, key]) => html`<li key=${key}><a href=${`#/${path}`}
			aria-current=${(here.parts[0] || '') === path ? 'page' : undefined}>
			<${Icon} name=${icon} />${t(`menu.${key}`)}
			${key === 'alerts' && open > 0 && html`<span class=${`count ${bad ? 'critical' : 'alert'}`}>
				${open}<span class="hidden-text"> ${t('alert.openWord')}</span></span>`}
		</a></li>`)}</ul>`)}</nav>`;
}

function Head() {
	const { data: unit } = useLive('unit');
	const who = useSignal(session);
	const dark = useSignal(theme) === 'dark';
	const lang = useSignal(language);
	const lost = useSignal(connection) === 'lost';
	const [tone, icon] = lost ? ['idle', 'unknown'] : unit ? look('unit', unit.state, unit.activity) : ['idle', 'busy'];
	return html`<header class="head">
		<a class="brand" href="#/"><img src="img/icon.svg" alt="" /><span>avpair</span></a>
		${unit && html`<span class="unit-name" title=${unit.name}>${unit.name}</span>`}
		<span role="status" class="head-state">${unit && html`<a class=${`state pill ${tone}`} href="#/"><${Icon} name=${icon} spin=${tone === 'busy'} />
			<span>${lost ? t('connect.unknown') : stateWord('unit', unit.state, unit.activity)}</span></a>`}</span>
		<span class="space"></span>
		<div class="head-tools">
			${Object.keys(languages).filter((l) => l !== lang).map((l) => html`<${Button} kind="quiet" small key=${l}
				icon="language" onClick=${() => useLanguage(l)}><span lang=${l}>${languages[l]}</span><//>`)}
			<${Button} kind="quiet" small icon=${dark ? 'sun' : 'moon'} label=${t(dark ? 'theme.light' : 'theme.dark')} onClick=${toggleTheme} />
			<span class="head-user"><${Icon} name="user" /><span title=${word('role', who.role)}>${who.user}</span>
			<${Button} kind="quiet" small icon="logout" onClick=${() => logout()}>${t('login.logout')}<//></span>
		</div>
	</header>`;
}

function Lost() {
	const state = useSignal(connection);
	const since = useSignal(lostSince);
	const [, tick] = useState(0);
	const lost = state === 'lost';
	useEffect(() => {
		if (!lost)
			return undefined;
		const timer = setInterval(() => tick((n) => n + 1), 1000);
		return () => clearInterval(timer);
	}, [lost]);
	const seconds = since ? Math.round((Date.now() - since) / 1000) : 0;
	return html`<div role="status" class=${lost ? 'lost' : 'hidden-text'}>
		${lost && html`<${Icon} name="busy" spin /><div><strong>${t('connect.lost')}</strong> ${t('connect.lostText')}
			<span class="num" aria-hidden="true"> ${t('connect.seconds', { s: seconds })}</span></div>`}
	</div>`;
}

// The person did nothing for so long that the session ends soon.
function Inactivity() {
	const who = useSignal(session);
	const [left, setLeft] = useState(null);
	const last = useRef(performance.now());
	const told = useRef(performance.now());
	const limit = who.idle_s;
	useEffect(() => {
		if (!limit)
			return undefined;
		const active = () => {
			last.current = performance.now();
			// tell the console now and then that somebody is here
			if (last.current - told.current > Math.min(60, limit / 4) * 1000) {
				told.current = last.current;
				get('/session').catch(() => {});
			}
		};
		const kinds = ['pointerdown', 'keydown', 'wheel', 'touchstart'];
		kinds.forEach((k) => addEventListener(k, active, { passive: true, capture: true }));
		const timer = setInterval(() => {
			const s = Math.ceil(limit - (performance.now() - last.current) / 1000);
			if (s <= 0)
				logout('inactive');
			setLeft(s <= Math.min(NOTICE_S, limit / 2) ? s : null);
		}, 500);
		return () => {
			clearInterval(timer);
			kinds.forEach((k) => removeEventListener(k, active, { capture: true }));
		};
	}, [limit]);
	if (left === null)
		return null;
	const stay = () => {
		last.current = performance.now();
		told.current = last.current;
		setLeft(null);
		get('/session').catch(() => {});
	};
	return html`<${Dialog} title=${t('inactive.title')} close=${stay} onSubmit=${stay} footer=${html`
		<${Button} onClick=${() => logout()}>${t('login.logout')}<//>
		<${Button} kind="primary" type="submit">${t('inactive.stay')}<//>`}>
		<p>${t('inactive.text', { s: Math.max(0, left) })}</p>
	<//>`;
}

export function Frame() {
	const here = useSignal(place);
	const lost = useSignal(connection) === 'lost';
	const main = useRef(null);
	const path = here.parts.join('/');
	const first = useRef(true);
	useLayoutEffect(() => {	// at once: who is quick has begun to type soon
		if (first.current) {
			first.current = false;
			return;
		}
		scrollTo(0, 0);
		const h1 = main.current && main.current.querySelector('h1');
		if (h1)
			h1.focus();
	}, [path]);
	if (here.parts[0] === 'vms' && here.parts[2] === 'screen')
		return html`<${Screen} id=${here.parts[1]} key=${here.parts[1]} /><${Inactivity} />`;
	return html`<div class="frame">
		<a class="skip" href="#main" onClick=${(ev) => {
			ev.preventDefault();
			main.current.focus();
		}}>${t('common.skip')}</a>
		<${Head} />
		<${Lost} />
		<div class="side"><${Menu} here=${here} /></div>
		<main class=${`content ${lost ? 'stale' : ''}`} id="main" ref=${main} tabindex="-1"><div class="inner">${pageOf(here)}</div></main>
		<${Inactivity} />
	</div>`;
}
