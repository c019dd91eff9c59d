// SPDX-License-Identifier: GPL-2.0-or-later
//
// Our own icons: 20 x 20, drawn with lines in the colour of the text.
import { html } from '../lib.js';

const shapes = {
	dashboard: 'M3 3h6v8H3zM11 3h6v5h-6zM11 10h6v7h-6zM3 13h6v4H3z',
	vm: 'M3 4h14v10H3zM7 17h6M10 14v3',
	node: 'M3 3.5h14v5H3zM3 11.5h14v5H3zM6 6h.01M6 14h.01M9 6h5M9 14h5',
	volume: 'M4 5c0-1.4 2.7-2.5 6-2.5s6 1.1 6 2.5-2.7 2.5-6 2.5S4 6.4 4 5zM4 5v10c0 1.4 2.7 2.5 6 2.5s6-1.1 6-2.5V5M4 10c0 1.4 2.7 2.5 6 2.5s6-1.1 6-2.5',
	network: 'M8 2.5h4v4H8zM2.5 13.5h4v4h-4zM13.5 13.5h4v4h-4zM10 6.5V10M4.5 13.5V10h11v3.5',
	alerts: 'M10 2.5c-3 0-4.5 2.2-4.5 5 0 4.5-2 5.5-2 6.5h13c0-1-2-2-2-6.5 0-2.8-1.5-5-4.5-5zM8 16.5c.4.8 1.1 1.2 2 1.2s1.6-.4 2-1.2',
	audit: 'M5 2.5h7l3.5 3.5v11.5H5zM12 2.5V6h3.5M7.5 10h5.5M7.5 13.5h5.5',
	quorum: 'M10 2.5v3M10 5.5 4 8M10 5.5 16 8M4 8l-2 4.5h4zM16 8l-2 4.5h4zM10 5.5v11M6.5 17h7',
	good: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM6.5 10.2l2.5 2.5 4.7-5.2',
	alert: 'M10 3 18 16.5H2zM10 8v4M10 14.3h.01',
	critical: 'M6.9 2.5h6.2l4.4 4.4v6.2l-4.4 4.4H6.9l-4.4-4.4V6.9zM7.3 7.3l5.4 5.4M12.7 7.3l-5.4 5.4',
	busy: 'M17 10a7 7 0 1 1-2.3-5.2M17 2.8v3.4h-3.4',
	idle: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM7 10h6',
	unknown: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM8 8c0-1.2.9-2 2-2s2 .8 2 1.9c0 1.5-2 1.6-2 3.1M10 13.8h.01',
	info: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM10 9v5M10 6.3h.01',
	pause: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM8 7v6M12 7v6',
	star: 'M10 2.3l2.3 4.9 5.3.7-3.9 3.7 1 5.3L10 14.3l-4.7 2.6 1-5.3L2.4 7.9l5.3-.7z',
	start: 'M6 3.5v13l10.5-6.5z',
	shutdown: 'M10 3v6.5M5.8 5.5a6.5 6.5 0 1 0 8.4 0',
	poweroff: 'M11.5 2.5 4.5 11h5l-1 6.5L15.5 9h-5z',
	screen: 'M2.5 3.5h15v10h-15zM6.5 17h7M6 7l2 1.7L6 10.4M9.5 10.5h3',
	trash: 'M3.5 5.5h13M8 5.5v-2h4v2M5.5 5.5l.7 11.5h7.6l.7-11.5M8.5 8.5v5.5M11.5 8.5v5.5',
	edit: 'M3.5 16.5l.8-3.8L13.5 3.5l3 3-9.2 9.2zM11.5 5.5l3 3',
	plus: 'M10 4v12M4 10h12',
	close: 'M5 5l10 10M15 5 5 15',
	sun: 'M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1',
	moon: 'M16.5 11.8A7 7 0 0 1 8.2 3.5a7 7 0 1 0 8.3 8.3z',
	language: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zM2.5 10h15M10 2.5c2.3 2.2 3.3 4.7 3.3 7.5s-1 5.3-3.3 7.5c-2.3-2.2-3.3-4.7-3.3-7.5s1-5.3 3.3-7.5z',
	user: 'M10 3a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM3.5 17c.6-3 3.2-4.7 6.5-4.7s5.9 1.7 6.5 4.7',
	logout: 'M8 3.5H3.5v13H8M12.5 6.5 16 10l-3.5 3.5M16 10H7.5',
	back: 'M12 4.5 6.5 10l5.5 5.5',
	move: 'M3 4h5v12H3zM12 4h5v12h-5zM6 10h8M11.5 7.5 14 10l-2.5 2.5',
	link: 'M3 10h14M6 7l-3 3 3 3M14 7l3 3-3 3',
	unlink: 'M3 10h4M13 10h4M8.5 6.5l3 7',
	full: 'M3 7.5V3h4.5M12.5 3H17v4.5M17 12.5V17h-4.5M7.5 17H3v-4.5',
	keyboard: 'M2.5 5h15v10h-15zM5.5 8h.01M8.5 8h.01M11.5 8h.01M14.5 8h.01M6.5 12h7',
	wait: 'M5.5 2.5h9M5.5 17.5h9M6.5 2.5c0 4 3.5 5 3.5 7.5 0-2.5 3.5-3.5 3.5-7.5M6.5 17.5c0-4 3.5-5 3.5-7.5 0 2.5 3.5 3.5 3.5 7.5',
};

// name: see above; spin: turns while work goes on.  Always decoration: the
// word beside it says the same.
export function Icon({ name, spin, x, y, size }) {
	const box = size ? { width: size, height: size } : {};
	return html`<svg class=${`icon ${spin ? 'spin' : ''}`} x=${x} y=${y} ...${box} viewBox="0 0 20 20"
		fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"
		stroke-linejoin="round" aria-hidden="true" focusable="false">
		<path d=${shapes[name] || shapes.unknown} /></svg>`;
}
