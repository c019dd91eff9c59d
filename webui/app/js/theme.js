// SPDX-License-Identifier: GPL-2.0-or-later
//
// Light or dark: as the system says, until the person chooses.
import { signal, kept } from './lib.js';

export const theme = signal('light');
const system = matchMedia('(prefers-color-scheme: dark)');

function apply() {
	const chosen = kept.get('theme');
	const now = chosen === 'light' || chosen === 'dark' ? chosen : (system.matches ? 'dark' : 'light');
	document.documentElement.dataset.theme = now;
	theme.set(now);
}

export function startTheme() {
	system.addEventListener('change', apply);
	apply();
}

export function toggleTheme() {
	const next = theme.get() === 'dark' ? 'light' : 'dark';
	// choosing what the system has anyway means: follow the system again
	kept.set('theme', next === (system.matches ? 'dark' : 'light') ? null : next);
	document.documentElement.dataset.theme = next;
	theme.set(next);
}
