// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a state looks: icon, word and colour, in one place for all kinds.
import { html } from '../lib.js';
import { word } from '../i18n.js';
import { Icon } from './icons.js';

// An activity that deserves another look than its state alone gives.
const byActivity = {
	vm: {
		stopped: ['idle', 'idle'], booting: ['busy', 'busy'], stopping: ['busy', 'busy'],
		installing: ['busy', 'busy'], moving: ['busy', 'busy'], paused: ['alert', 'pause'],
		crashed: ['critical', 'critical'],
	},
	node: {
		syncing: ['busy', 'busy'], starting: ['busy', 'busy'], waiting: ['alert', 'wait'],
		lost: ['critical', 'critical'], stopped: ['idle', 'idle'], maintenance: ['idle', 'idle'],
	},
	volume: {
		syncing: ['busy', 'busy'], creating: ['busy', 'busy'], 'one-leg': ['alert', 'alert'],
		held: ['alert', 'pause'], split: ['critical', 'critical'], stopped: ['idle', 'idle'],
	},
	unit: {
		syncing: ['busy', 'busy'], waiting: ['alert', 'wait'], split: ['critical', 'critical'],
		frozen: ['critical', 'pause'], stopped: ['idle', 'idle'], alone: ['alert', 'alert'],
		degraded: ['alert', 'alert'],
	},
};
const byState = {
	good: ['good', 'good'], alert: ['alert', 'alert'], critical: ['critical', 'critical'],
	busy: ['busy', 'busy'], up: ['good', 'good'], down: ['critical', 'critical'],
	ok: ['good', 'good'], unreachable: ['alert', 'alert'], refused: ['alert', 'alert'],
	unconfigured: ['idle', 'idle'], unknown: ['idle', 'unknown'], info: ['idle', 'info'],
	minor: ['alert', 'alert'], serious: ['alert', 'alert'],
};

// -> [tone, icon]; tone is good | alert | critical | busy | idle
export function look(kind, state, activity) {
	const s = byState[state] || ['idle', 'idle'];
	const a = (byActivity[kind] || {})[activity];
	if (!a)
		return s;
	return s[0] === 'critical' || (s[0] === 'alert' && a[0] === 'idle') ? [s[0], a[1]] : a;
}

// What to call it: the activity when there is one, and the state when that
// says more (a VM that runs on resources that aren't redundant).
export function stateWord(kind, state, activity) {
	if (!activity)
		return word(`state.${kind}`, state);
	const both = `${activity}-${state}`;
	const text = word(`activity.${kind}`, both);
	return text === both ? word(`activity.${kind}`, activity) : text;
}

export function State({ kind, state, activity, pill, label }) {
	const [tone, icon] = look(kind, state, activity);
	return html`<span class=${`state ${tone} ${pill ? 'pill' : ''}`}>
		<${Icon} name=${icon} spin=${tone === 'busy'} /><span>${label || stateWord(kind, state, activity)}</span>
	</span>`;
}
