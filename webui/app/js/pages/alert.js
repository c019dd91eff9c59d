// SPDX-License-Identifier: GPL-2.0-or-later
//
// One alert in full: what, since when, why, and what to do in which order.
import { html } from '../lib.js';
import { t } from '../i18n.js';
import { Time } from '../ui/parts.js';
import { State } from '../ui/state.js';
import { alertTexts } from '../said.js';
import { ObjectName } from './object.js';

const rank = ['critical', 'serious', 'minor', 'info'];
const serial = (alert) => Number(String(alert.id).split(':').pop());
// the worst first; of those the oldest, which is nearest to the cause
export const bySeverity = (a, b) => rank.indexOf(a.severity) - rank.indexOf(b.severity) ||
	serial(a) - serial(b);

export function AlertItem({ alert, open }) {
	const { text, cause, repair } = alertTexts(alert);
	return html`<details class="alert-item" open=${open}>
		<summary><${State} kind="severity" state=${alert.severity} /><span class="alert-text">${text}</span></summary>
		<div class="alert-body">
			<p class="dim small"><${ObjectName} id=${alert.object} /> · ${t('alert.since')} <${Time} utc=${alert.raised_utc} />
				${alert.count > 1 ? ` · ${t('alert.times', { n: alert.count })}` : ''}</p>
			${cause && html`<h3>${t('alert.cause')}</h3><p>${cause}</p>`}
			${repair.length > 0 && html`<h3>${t('alert.repair')}</h3>
				<ol>${repair.map((step, i) => html`<li key=${i}>${step}</li>`)}</ol>`}
		</div>
	</details>`;
}
