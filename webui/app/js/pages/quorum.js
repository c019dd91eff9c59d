// SPDX-License-Identifier: GPL-2.0-or-later
//
// The quorum servers: who decides when the PMs lose each other.
import { html, useState } from '../lib.js';
import { t, word } from '../i18n.js';
import { request, post, part, may } from '../api.js';
import { refresh, useLive } from '../live.js';
import { Button, Card, Empty, Field, Loading, Notice, PageHead, Table, Time } from '../ui/parts.js';
import { State } from '../ui/state.js';
import { openDialog, Confirm } from '../ui/dialog.js';
import { toast } from '../ui/toasts.js';

const whyNotMay = () => (may('platform-manager') ? null : t('why.role'));

// How each PM reaches it, and when it answered well last.
function Reached({ server }) {
	return html`<div class="legs">${['node0', 'node1'].map((n) => html`<div class="leg" key=${n}>
		<span class="dim">${n}</span>
		<${State} kind="quorum" state=${server.nodes[n].state} label=${word('quorum', server.nodes[n].state)} />
		${server.nodes[n].ok_utc && html`<span class="small dim"><${Time} utc=${server.nodes[n].ok_utc} /></span>`}
		${server.nodes[n].text && html`<div class="small dim">${server.nodes[n].text}</div>`}
	</div>`)}</div>`;
}

function Remove({ server, last, close }) {
	const run = async () => {
		await request('DELETE', `/quorum-servers/${part(server.id)}`);
		refresh('quorum-servers', 'unit', 'alerts');
		toast('good', t('quorum.didRemove', { address: server.address }));
	};
	return html`<${Confirm} close=${close} icon="trash" title=${t('quorum.askRemove')} verb=${t('do.remove')} run=${run}>
		<p><code>${server.address}</code></p>
		<p>${last ? t('quorum.askRemoveLast') : server.active ? t('quorum.askRemoveActive') : t('quorum.askRemoveText')}</p>
	<//>`;
}

const FILES = ['ca', 'cert', 'key'];

function Add({ close }) {
	const [kind, setKind] = useState('etcd');
	const [address, setAddress] = useState('');
	const [preferred, setPreferred] = useState('');
	const [pem, setPem] = useState({});
	const read = async (key, file) => setPem({ ...pem, [key]: file ? await file.text() : '' });
	const run = async () => {
		const body = { kind, address: address.trim() };
		if (preferred !== '')
			body.preferred = preferred === 'yes';
		for (const key of FILES)
			if (kind === 'etcd' && pem[key])
				body[key] = pem[key];
		const done = await post('/quorum-servers', body);
		refresh('quorum-servers', 'unit', 'alerts');
		toast('good', t('quorum.didAdd', { address: body.address }), (done.warnings || []).map((w) => w.text).join(' '));
	};
	return html`<${Confirm} close=${close} icon="plus" kind="primary" title=${t('quorum.add')} verb=${t('quorum.doAdd')} run=${run}
		why=${address.trim() === '' ? t('quorum.noAddress') : null}>
		<p>${t('quorum.addText')}</p>
		<${Field} label=${t('quorum.kind')} hint=${kind === 'ping' ? t('quorum.weakText') : null}>
			${(p) => html`<select ...${p} value=${kind} onChange=${(e) => setKind(e.target.value)}>
				<option value="etcd">${t('quorum.kindEtcd')}</option><option value="ping">${t('quorum.kindPing')}</option></select>`}
		<//>
		<${Field} label=${t('quorum.address')} hint=${kind === 'etcd' ? t('quorum.hintEtcd') : t('quorum.hintPing')}>
			${(p) => html`<input ...${p} type="text" autofocus autocomplete="off" spellcheck=${false} value=${address}
				onInput=${(e) => setAddress(e.target.value)} />`}
		<//>
		<${Field} label=${t('quorum.preference')}>
			${(p) => html`<select ...${p} value=${preferred} onChange=${(e) => setPreferred(e.target.value)}>
				<option value="">${t('quorum.byItself')}</option><option value="yes">${t('quorum.preferred')}</option>
				<option value="no">${t('quorum.alternate')}</option></select>`}
		<//>
		${kind === 'etcd' && FILES.map((key) => html`<${Field} key=${key} label=${t(`quorum.${key}`)} optional>
			${(p) => html`<input ...${p} type="file" accept=".pem,.crt,.key" onChange=${(e) => read(key, e.target.files[0])} />`}
		<//>`)}
	<//>`;
}

export function QuorumServers() {
	const { data, error } = useLive('quorum-servers');
	const head = html`<${PageHead} title=${t('menu.quorum-servers')}>
		<${Button} kind="primary" icon="plus" why=${whyNotMay() || (data && data.length > 1 ? t('quorum.full') : null)}
			onClick=${() => openDialog((close) => html`<${Add} close=${close} />`)}>${t('quorum.add')}<//>
	<//>`;
	if (!data)
		return html`${head}<${Loading} error=${error} />`;
	return html`${head}<div class="stack"><p>${t('quorum.what')}</p>
		${data.some((s) => s.weak) && html`<${Notice} tone="alert"><p>${t('quorum.weakText')}</p><//>`}
		<${Card} body=${false}><${Table} caption=${t('menu.quorum-servers')} rows=${data}
		empty=${html`<${Empty} icon="quorum" text=${t('quorum.emptyText')} />`} columns=${[
		{ key: 'address', title: t('quorum.address'), name: true, cell: (s) => html`<code>${s.address}</code>
			<div class="small dim thin">${s.kind}${s.tls ? ` · ${t('quorum.tls')}` : ''}</div>` },
		{ key: 'pref', title: t('quorum.preference'), cell: (s) => html`${t(`quorum.${s.preference}`)}
			${s.active && html` <span class="tag">${t('quorum.active')}</span>`}${s.leaving && html` <span class="tag">${t('quorum.leaving')}</span>`}` },
		{ key: 'state', title: t('field.state'), wide: true, cell: (s) => html`<${State} kind="quorum" state=${s.activity} label=${word('quorum', s.activity)} />` },
		{ key: 'nodes', title: t('quorum.reached'), cell: (s) => html`<${Reached} server=${s} />` },
		{ key: 'do', title: t('quorum.actions'), cell: (s) => html`<${Button} small icon="trash" why=${whyNotMay()} label=${t('quorum.removeOf', { address: s.address })}
			onClick=${() => openDialog((close) => html`<${Remove} server=${s} last=${data.length === 1} close=${close} />`)} />` },
	]} /><//></div>`;
}
