// SPDX-License-Identifier: GPL-2.0-or-later
//
// Short messages about what was done.  A good one goes by itself after a
// while (not while the pointer or the focus is on it); a bad one stays.
import { html, signal, useSignal } from '../lib.js';
import { t } from '../i18n.js';
import { Icon } from './icons.js';
import { Button } from './parts.js';

const STAY_MS = 7000;
const shown = signal([]);
let nextId = 1;

export function toast(tone, text, hint) {
	const one = { id: nextId++, tone, text, hint, held: false };
	shown.set([...shown.get().slice(-4), one]);
	if (tone === 'good' || tone === 'busy')
		leave(one);
	return one.id;
}

function leave(one) {
	setTimeout(() => (one.held ? leave(one) : drop(one.id)), STAY_MS);
}

export function drop(id) {
	shown.set(shown.get().filter((o) => o.id !== id));
}

export function toastError(error) {
	toast(error.outcome === 'maybe' ? 'alert' : 'critical', error.message, error.hint);
}

export function Toasts() {
	const list = useSignal(shown);
	return html`<div class="toasts" role="region" aria-label=${t('toasts.label')}>
		<div aria-live="polite" aria-relevant="additions">
			${list.filter((o) => o.tone !== 'critical').map(one)}
		</div>
		<div aria-live="assertive" aria-relevant="additions">
			${list.filter((o) => o.tone === 'critical').map(one)}
		</div>
	</div>`;
}

function one(o) {
	const hold = (v) => () => {
		o.held = v;
	};
	return html`<div class=${`toast ${o.tone}`} key=${o.id} onMouseEnter=${hold(true)} onMouseLeave=${hold(false)}
		onFocusIn=${hold(true)} onFocusOut=${hold(false)}>
		<${Icon} name=${o.tone} />
		<div class="text"><p>${o.text}</p>${o.hint && html`<p class="dim small">${o.hint}</p>`}</div>
		<${Button} kind="quiet" small icon="close" label=${t('common.dismiss')} onClick=${() => drop(o.id)} />
	</div>`;
}
