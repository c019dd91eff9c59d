// SPDX-License-Identifier: GPL-2.0-or-later
//
// Small parts of every page.
import { html, useEffect, useId } from '../lib.js';
import { t, time, timeUtc, number, duration } from '../i18n.js';
import { Icon } from './icons.js';

// A button.  why: the reason why it can't be used now; it stays reachable by
// keyboard and says the reason.  busy: its work goes on.
export function Button({ kind, icon, why, busy, onClick, children, type, label, small, id }) {
	const tipId = useId();
	const off = Boolean(why) || busy;
	const click = (ev) => {
		if (off)
			ev.preventDefault();
		else if (onClick)
			onClick(ev);
	};
	const button = html`<button type=${type || 'button'} id=${id} class=${`btn ${kind || ''} ${small ? 'small' : ''}`}
		aria-disabled=${off ? 'true' : undefined} aria-describedby=${why ? tipId : undefined}
		aria-label=${label} title=${label && !why ? label : undefined} aria-busy=${busy ? 'true' : undefined} onClick=${click}>
		${busy ? html`<${Icon} name="busy" spin />` : icon && html`<${Icon} name=${icon} />`}
		${children && html`<span>${children}</span>`}</button>`;
	// always in the wrap: a button that is made anew would lose the focus
	return html`<span class="tip">${button}${why && html`<span class="tip-text" role="tooltip" id=${tipId}>${why}</span>`}</span>`;
}

export function Time({ utc }) {
	return html`<time datetime=${utc || ''} title=${timeUtc(utc)} class="num nowrap">${time(utc)}</time>`;
}

export function Notice({ tone, icon, role, children }) {
	return html`<div class=${`notice ${tone}`} role=${role}><${Icon} name=${icon || tone} /><div class="text">${children}</div></div>`;
}

export function Empty({ icon, text, children }) {
	return html`<div class="empty"><${Icon} name=${icon} /><p>${text}</p>${children}</div>`;
}

// percent may be null: then it goes on without saying how far it is
export function Progress({ percent, label, seconds_left: left }) {
	const known = typeof percent === 'number';
	return html`<div class="progress">
		<progress max="100" value=${known ? percent : undefined} aria-label=${label}></progress>
		${known && html`<span class="num small nowrap">${number(Math.floor(percent * 10) / 10, 1)} %</span>`}
		${typeof left === 'number' && html`<span class="small dim nowrap">${t('time.left', { time: duration(left) })}</span>`}
	</div>`;
}

// A page's head.  Its h1 can take the focus: frame.js gives it that when the
// page changes, so that a keyboard or a screen reader starts there.
export function PageHead({ title, crumb, sub, state, children }) {
	useEffect(() => {
		document.title = `${title} · avpair`;
	}, [title]);
	return html`<div class="page-head">
		<div class="titles">
			${crumb && html`<p class="crumb">${crumb}</p>`}
			<div class="title-line"><h1 tabindex="-1">${title}</h1>${state}</div>
			${sub && html`<p>${sub}</p>`}
		</div>
		<div class="tools">${children}</div>
	</div>`;
}

// What a page shows while it has no data, or when fetching failed.
export function Loading({ error }) {
	if (error)
		return html`<${Problem} error=${error} />`;
	return html`<div class="empty" role="status"><${Icon} name="busy" spin /><p>${t('common.loading')}</p></div>`;
}

// One refusal or failure of the API, in its own words, and the way out.
export function Problem({ error }) {
	if (!error)
		return null;
	return html`<${Notice} tone=${error.code === 'no-connection' ? 'alert' : 'critical'} role="alert">
		<p>${error.message}</p>
		${error.hint && html`<p class="dim">${error.hint}</p>`}
	<//>`;
}

// columns: [{key, title, cell(row), right?, name?, wide?}]; a 'wide' one is left
// out where there isn't much room
export function Table({ caption, columns, rows, empty }) {
	if (rows.length === 0)
		return empty;
	const classes = (c) => `${c.right ? 'right num' : ''} ${c.wide ? 'wide' : ''}`;
	return html`<div class="table-wrap"><table>
		<caption class="hidden-text">${caption}</caption>
		<thead><tr>${columns.map((c) => html`<th scope="col" class=${classes(c)} key=${c.key}>${c.title}</th>`)}</tr></thead>
		<tbody>${rows.map((row) => html`<tr key=${row.id || row.name}>
			${columns.map((c) => html`<td key=${c.key} class=${`${classes(c)} ${c.name ? 'name' : ''}`}>${c.cell(row)}</td>`)}
		</tr>`)}</tbody>
	</table></div>`;
}

// "a, b, c" of things that aren't plain texts
export const commas = (list) => list.map((x, i) => (i > 0 ? [', ', x] : x));

export function Facts({ rows }) {
	return html`<dl class="facts">${rows.filter(Boolean).map(([label, value]) => html`
		<dt key=${label}>${label}</dt><dd>${value}</dd>`)}</dl>`;
}

export function Card({ title, tools, children, body = true }) {
	const id = useId();
	return html`<section class="card" aria-labelledby=${title ? id : undefined}>
		${title && html`<header><h2 id=${id}>${title}</h2>${tools}</header>`}
		${body ? html`<div class="body">${children}</div>` : children}
	</section>`;
}

// A labelled input with hint, warning and error below it.
// children: (props) => the input, which takes the props.
export function Field({ label, hint, warn, error, children, optional }) {
	const id = useId();
	const under = [];
	if (error)
		under.push(`${id}-e`);
	if (warn)
		under.push(`${id}-w`);
	if (hint)
		under.push(`${id}-h`);
	return html`<div class="field">
		<label for=${id}>${label}${optional && html` <span class="dim">${t('common.optional')}</span>`}</label>
		${children({ id, 'aria-invalid': error ? 'true' : undefined, 'aria-describedby': under.join(' ') || undefined })}
		${error && html`<p class="error" id=${`${id}-e`}><${Icon} name="critical" /><span>${error}</span></p>`}
		${warn && html`<p class="warn" id=${`${id}-w`}>${warn}</p>`}
		${hint && html`<p class="hint" id=${`${id}-h`}>${hint}</p>`}
	</div>`;
}
