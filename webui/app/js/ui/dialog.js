// SPDX-License-Identifier: GPL-2.0-or-later
//
// One dialog at a time, on the browser's own <dialog>: it keeps the focus
// inside, closes on Escape and gives the focus back.
//
//   openDialog((close) => html`<${Something} close=${close} />`)
import { html, signal, useEffect, useRef, useSignal, useId, useState } from '../lib.js';
import { t } from '../i18n.js';
import { Button, Problem } from './parts.js';

const open = signal(null);

export function openDialog(make) {
	open.set(make);
}

export function closeDialog() {
	open.set(null);
}

export function DialogHost() {
	const make = useSignal(open);
	return make ? make(closeDialog) : null;
}

// title, children = the text, footer = the buttons; onSubmit when Enter counts
export function Dialog({ title, children, footer, close, onSubmit }) {
	const ref = useRef(null);
	const id = useId();
	useEffect(() => {
		const d = ref.current;
		const before = document.activeElement;
		d.showModal();
		return () => {
			if (d.open)
				d.close();
			if (before && before.isConnected)
				before.focus();
		};
	}, []);
	const submit = (ev) => {
		ev.preventDefault();
		if (onSubmit)
			onSubmit();
	};
	return html`<dialog ref=${ref} aria-labelledby=${id} onClose=${close}>
		<form onSubmit=${submit} novalidate>
			<header><h2 id=${id}>${title}</h2></header>
			<div class="body">${children}</div>
			<footer>${footer}</footer>
		</form>
	</dialog>`;
}

// Ask before something that can't be taken back.  run() does it; when it
// throws, the dialog stays and shows why.
export function Confirm({ title, children, verb, kind = 'danger', icon, run, close, why }) {
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState(null);
	const submit = async () => {
		if (busy || why)
			return;
		setBusy(true);
		setError(null);
		try {
			await run();
			close();
		} catch (e) {
			setError(e);
			setBusy(false);
		}
	};
	return html`<${Dialog} title=${title} close=${close} onSubmit=${submit} footer=${html`
		<${Button} onClick=${close}>${t('common.cancel')}<//>
		<${Button} kind=${kind} type="submit" icon=${icon} busy=${busy} why=${why}>${verb}<//>`}>
		${children}
		<${Problem} error=${error} />
	<//>`;
}
