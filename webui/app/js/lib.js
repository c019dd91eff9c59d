// SPDX-License-Identifier: GPL-2.0-or-later
//
// The libraries, under the names that the pages use.
import { h, render, Fragment, createRef } from '../vendor/preact/preact.js';
import {
	useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useId,
} from '../vendor/preact/hooks.js';
import htm from '../vendor/htm/htm.js';

export const html = htm.bind(h);
export {
	h, render, Fragment, createRef, useState, useEffect, useLayoutEffect, useRef, useMemo,
	useCallback, useId,
};

// A value that parts of the page follow: get(), set(v), follow(fn) -> stop.
export function signal(first) {
	let value = first;
	const followers = new Set();
	return {
		get: () => value,
		set(v) {
			if (Object.is(v, value))
				return;
			value = v;
			for (const fn of [...followers])
				fn(v);
		},
		follow(fn) {
			followers.add(fn);
			return () => followers.delete(fn);
		},
	};
}

export function useSignal(sig) {
	const [value, setValue] = useState(sig.get());
	useLayoutEffect(() => {
		setValue(() => sig.get());
		return sig.follow((v) => setValue(() => v));
	}, [sig]);
	return value;
}

// What the browser keeps for this person; a browser may refuse to keep anything.
export const kept = {
	get(key) {
		try {
			return localStorage.getItem(`avpair.${key}`);
		} catch {
			return null;
		}
	},
	set(key, value) {
		try {
			if (value === null)
				localStorage.removeItem(`avpair.${key}`);
			else
				localStorage.setItem(`avpair.${key}`, value);
		} catch { /* then it lasts as long as the page */ }
	},
};
