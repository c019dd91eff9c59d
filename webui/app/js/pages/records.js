// SPDX-License-Identifier: GPL-2.0-or-later
//
// What happened: alerts, open and past, and the audit log.
import { html, useState, useEffect } from '../lib.js';
import { t, word } from '../i18n.js';
import { get } from '../api.js';
import { useLive } from '../live.js';
import { Button, Card, Empty, Loading, PageHead, Problem, Table, Time } from '../ui/parts.js';
import { State } from '../ui/state.js';
import { AlertItem, bySeverity } from './alert.js';
import { alertTexts } from '../said.js';
import { ObjectName } from './object.js';

export function Alerts() {
	const { data, error } = useLive('alerts');
	useLive('vms');
	useLive('nodes');
	useLive('volumes');
	const head = html`<${PageHead} title=${t('menu.alerts')} />`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	const open = data.filter((a) => a.open).sort(bySeverity);
	const past = data.filter((a) => !a.open).sort((a, b) => String(b.raised_utc).localeCompare(String(a.raised_utc)));
	return html`${head}<div class="stack">
		<${Card} title=${t('alert.openTitle')} body=${false}>${open.length === 0 ? html`<${Empty} icon="good" text=${t('alert.noneOpen')} />`
			: html`<div class="alert-list">${open.map((a) => html`<${AlertItem} key=${a.id} alert=${a} open=${a.severity !== 'info'} />`)}</div>`}<//>
		<${Card} title=${t('alert.past')} body=${false}><${Table} caption=${t('alert.past')} rows=${past}
			empty=${html`<${Empty} icon="alerts" text=${t('alert.nonePast')} />`} columns=${[
			{ key: 'sev', title: t('alert.severity'), cell: (a) => html`<${State} kind="severity" state=${a.severity} />` },
			{ key: 'text', title: t('alert.what'), name: true, cell: (a) => alertTexts(a).text },
			{ key: 'object', title: t('field.object'), cell: (a) => html`<${ObjectName} id=${a.object} />` },
			{ key: 'raised', title: t('alert.raised'), cell: (a) => html`<${Time} utc=${a.raised_utc} />` },
			{ key: 'cleared', title: t('alert.cleared'), cell: (a) => html`<${Time} utc=${a.cleared_utc} />` },
		]} /><//></div>`;
}

const PAGE = 100;
const resultState = { ok: 'good', started: 'busy', refused: 'alert', failed: 'critical' };
const serial = (id) => String(id).split(':').pop();

export function Audit() {
	const { data, error } = useLive('audit');
	useLive('vms');
	useLive('nodes');
	const [older, setOlder] = useState([]);
	const [busy, setBusy] = useState(false);
	const [failed, setFailed] = useState(null);
	const [end, setEnd] = useState(false);
	useEffect(() => {
		if (data && data.length < PAGE)
			setEnd(true);
	}, [data]);
	const head = html`<${PageHead} title=${t('menu.audit')} />`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	const seen = new Set(data.map((a) => a.id));
	const rows = [...data, ...older.filter((a) => !seen.has(a.id))]
		.sort((a, b) => Number(serial(b.id)) - Number(serial(a.id)));
	const more = async () => {
		setBusy(true);
		setFailed(null);
		try {
			const last = rows[rows.length - 1];
			const next = await get(`/audit?limit=${PAGE}&before=${serial(last.id)}`);
			setOlder([...older, ...next]);
			setEnd(next.length < PAGE);
		} catch (e) {
			setFailed(e);
		}
		setBusy(false);
	};
	return html`${head}<div class="stack"><${Card} body=${false}><${Table} caption=${t('menu.audit')} rows=${rows}
		empty=${html`<${Empty} icon="audit" text=${t('audit.none')} />`} columns=${[
		{ key: 'at', title: t('audit.at'), cell: (a) => html`<${Time} utc=${a.at_utc} />` },
		{ key: 'user', title: t('audit.user'), name: true, cell: (a) => html`${a.user || '–'}<div class="small dim thin">${[a.origin, a.via].filter(Boolean).join(' · ')}</div>` },
		{ key: 'action', title: t('audit.action'), cell: (a) => html`<span title=${a.action}>${word('action', a.action)}</span>${a.detail && html`<div class="small dim">${a.detail}</div>`}` },
		{ key: 'object', title: t('field.object'), cell: (a) => html`<${ObjectName} id=${a.object} />` },
		{ key: 'result', title: t('audit.result'), cell: (a) => html`<${State} kind="result" state=${resultState[a.result] || 'unknown'} label=${word('result', a.result)} />` },
	]} /><//>
	<${Problem} error=${failed} />
	${!end && rows.length > 0 && html`<div><${Button} busy=${busy} onClick=${more}>${t('audit.more')}<//></div>`}</div>`;
}
