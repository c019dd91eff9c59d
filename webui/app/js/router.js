// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where we are, from the part of the address after '#': #/vms/vm:o12
import { signal } from './lib.js';

function parse() {
	const [path, query] = location.hash.replace(/^#/, '').split('?');
	return {
		parts: path.split('/').filter(Boolean).map((p) => {
			try {
				return decodeURIComponent(p);
			} catch {
				return p;
			}
		}),
		query: new URLSearchParams(query || ''),
	};
}

export const place = signal(parse());
window.addEventListener('hashchange', () => place.set(parse()));

export function go(path) {
	location.hash = path;
}

export const vmPath = (id) => `#/vms/${encodeURIComponent(id).replace(/%3A/gi, ':')}`;
