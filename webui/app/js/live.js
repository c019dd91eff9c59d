// SPDX-License-Identifier: GPL-2.0-or-later
//
// Live state.  The page asks for whole collections and shows them; the event
// stream only says which of them to ask for again.
//
//   offline --start()--> connecting --stream open--> live
//                            ^                         | stream error, or the
//                            '--retry--- lost <--------' pulse got no answer
//
// A PM that loses power says nothing, so an open stream proves nothing: the
// pulse (GET /version, every 2 s) finds out.  Back from 'lost' everything that
// is shown is fetched anew, as events may have been missed.  A hidden page
// closes the stream (a browser has only six connections to a server).
import { signal, useState, useEffect } from './lib.js';
import { base, get, session, findSession } from './api.js';
import { language } from './i18n.js';

const PULSE_MS = 2000;
const PULSE_TIMEOUT_MS = 2500;
const OPEN_MS = 5000;
const RETRY_MS = [300, 700, 1500, 2000];
const DEBOUNCE_MS = 120;
const SLOW_REFRESH_MS = 10000;
const BUSY_REFRESH_MS = 2000;

export const connection = signal('offline');
export const lostSince = signal(null);

const kinds = {		// which collections an object's kind shows in
	unit: ['unit', 'split'],
	quorum: ['quorum-servers', 'unit'],
	host: ['nodes', 'unit'],
	vm: ['vms'],
	volume: ['volumes', 'vms'],
	sharednetwork: ['networks'],
	storagegroup: ['storage-groups'],
	alert: ['alerts', 'unit'],
	audit: ['audit'],
};

const collections = new Map();
for (const name of ['unit', 'nodes', 'vms', 'volumes', 'networks', 'storage-groups', 'images',
	'alerts', 'audit', 'quorum-servers', 'split'])
	collections.set(name, {
		name, users: 0, timer: null, busy: false, again: false, fetched_ms: 0,
		state: signal({ data: undefined, error: null }),
	});

// path of the collection; audit grows with what the page asks for
const queries = { audit: '?limit=100' };

async function fetchNow(c) {
	if (c.busy) {
		c.again = true;
		return;
	}
	c.busy = true;
	c.again = false;
	try {
		const data = await get(`/${c.name}${queries[c.name] || ''}`,
			{ background: true, timeout_ms: 5000 });
		c.fetched_ms = performance.now();
		c.state.set({ data, error: null });
	} catch (e) {
		if (e.code === 'no-connection' && !e.timedOut)
			lose();
		else if (e.code === 'no-connection')
			c.fetched_ms = 0;	// the pulse decides; ask again soon
		else if (e.status !== 401)
			c.state.set({ data: c.state.get().data, error: e });
	}
	c.busy = false;
	if (c.again)
		refresh(c.name);
}

// Fetch a collection again soon; many calls in a moment make one request.
export function refresh(...names) {
	for (const name of names) {
		const c = collections.get(name);
		if (!c || c.timer !== null)
			continue;
		c.timer = setTimeout(() => {
			c.timer = null;
			if (c.users > 0)
				fetchNow(c);
			else
				c.fetched_ms = 0;
		}, DEBOUNCE_MS);
	}
}

function refreshAll() {
	for (const c of collections.values())
		c.fetched_ms = 0;
	refresh(...collections.keys());
}

// The hook of the pages: {data, error}; data is undefined until the first answer.
export function useLive(name) {
	const c = collections.get(name);
	const [, again] = useState(0);
	useEffect(() => {
		const stop = c.state.follow(() => again((n) => n + 1));
		c.users++;
		if (performance.now() - c.fetched_ms > SLOW_REFRESH_MS || c.state.get().data === undefined)
			fetchNow(c);
		again((n) => n + 1);
		return () => {
			stop();
			c.users--;
		};
	}, [c]);
	return c.state.get();
}

export const peek = (name) => collections.get(name).state.get().data;
export const follow = (name, fn) => collections.get(name).state.follow((s) => fn(s.data));

/* --- the stream ----------------------------------------------------------- */

let stream = null;
let retries = 0;
let retryTimer = null;
let openTimer = null;
let pulseTimer = null;
let pulseMisses = 0;
let slowTimer = null;
let running = false;

function closeStream() {
	if (stream)
		stream.close();
	stream = null;
	clearTimeout(retryTimer);
	clearTimeout(openTimer);
	retryTimer = null;
}

function openStream() {
	closeStream();
	if (!running || document.hidden)
		return;
	if (connection.get() === 'offline')
		connection.set('connecting');
	const s = new EventSource(`${base}/events`);
	stream = s;
	openTimer = setTimeout(lose, OPEN_MS);	// it would wait for minutes
	s.onopen = () => {
		if (stream !== s)
			return;
		clearTimeout(openTimer);
		retries = 0;
		pulseMisses = 0;
		lostSince.set(null);
		connection.set('live');
		refreshAll();
	};
	s.onerror = () => {
		if (stream === s)
			lose();
	};
	const changed = (ev) => {
		let objects = [];
		try {
			objects = JSON.parse(ev.data).objects || [];
		} catch {
			refreshAll();
		}
		const names = new Set();
		for (const id of objects)
			for (const n of kinds[String(id).split(':')[0]] || [])
				names.add(n);
		refresh(...names);
	};
	s.addEventListener('changed', changed);
	s.addEventListener('message', changed);
	s.addEventListener('resync', refreshAll);
}

function lose() {
	closeStream();
	if (!running)
		return;
	if (connection.get() !== 'lost') {
		connection.set('lost');
		lostSince.set(Date.now());
	}
	retryTimer = setTimeout(retry, RETRY_MS[Math.min(retries, RETRY_MS.length - 1)]);
	retries++;
}

// The session may be gone with the PM that had it, so ask for it first.
async function retry() {
	retryTimer = null;
	const answered = await findSession();
	if (!running)
		return;
	if (!answered)
		lose();
	else if (session.get())
		openStream();
}

// A refused connection is a loss at once; an answer that doesn't come may be a
// console with much to do, so it is asked once more.
async function pulse() {
	pulseTimer = null;
	let wait_ms = PULSE_MS;
	if (running && !document.hidden && connection.get() === 'live') {
		try {
			await get('/version', { background: true, timeout_ms: PULSE_TIMEOUT_MS });
			pulseMisses = 0;
		} catch (e) {
			pulseMisses++;
			wait_ms = 0;
			if (e.code === 'no-connection' && connection.get() === 'live' &&
			    (!e.timedOut || pulseMisses >= 2)) {
				lose();
				wait_ms = PULSE_MS;
			}
		}
	}
	if (running && pulseTimer === null)
		pulseTimer = setTimeout(pulse, wait_ms);
}

// Ages, percentages and counters change without an event of their own.
function isMoving(c) {
	const data = c.state.get().data;
	const list = Array.isArray(data) ? data : [];
	if (c.name === 'volumes')
		return list.some((v) => ['syncing', 'creating'].includes(v.activity));
	if (c.name === 'vms')
		return list.some((v) => v.migration || ['installing', 'booting', 'stopping', 'moving', 'paused'].includes(v.activity));
	if (c.name === 'nodes')
		return list.some((n) => n.activity !== 'running');
	return c.name === 'unit' && data && data.activity !== 'running';
}

function slow() {
	for (const c of collections.values()) {
		const age = performance.now() - c.fetched_ms;
		if (c.users > 0 && connection.get() === 'live' && !document.hidden &&
		    age > (isMoving(c) ? BUSY_REFRESH_MS : SLOW_REFRESH_MS) && c.name !== 'audit')
			fetchNow(c);
	}
	slowTimer = running ? setTimeout(slow, 1000) : null;
}

export function start() {
	if (running)
		return;
	running = true;
	retries = 0;
	openStream();
	pulseTimer = setTimeout(pulse, PULSE_MS);
	slowTimer = setTimeout(slow, 1000);
}

export function stop() {
	running = false;
	closeStream();
	clearTimeout(pulseTimer);
	clearTimeout(slowTimer);
	connection.set('offline');
	lostSince.set(null);
	for (const c of collections.values()) {
		c.fetched_ms = 0;
		c.state.set({ data: undefined, error: null });
	}
}

document.addEventListener('visibilitychange', () => {
	if (!running)
		return;
	if (document.hidden)
		closeStream();
	else
		openStream();
});
language.follow(refreshAll);
