// SPDX-License-Identifier: GPL-2.0-or-later
//
// The name of an object behind its id, with a link to its page.
import { html } from '../lib.js';
import { t } from '../i18n.js';
import { peek } from '../live.js';
import { vmPath } from '../router.js';

const pages = {
	vm: ['vms', null], host: ['nodes', '#/nodes'], volume: ['volumes', '#/volumes'],
	sharednetwork: ['networks', '#/networks'], link: [null, '#/networks'], unit: [null, '#/'],
};

export function ObjectName({ id }) {
	if (!id)
		return '–';
	const kind = String(id).split(':')[0];
	const [list, path] = pages[kind] || [null, null];
	const found = list && Array.isArray(peek(list)) && peek(list).find((o) => o.id === id);
	const name = kind === 'unit' ? t('unit.one') : found ? found.name : kind === 'link' ? id.slice(5) : id;
	if (kind === 'vm')
		return found ? html`<a href=${vmPath(id)}>${name}</a>` : name;
	return path ? html`<a href=${path}>${name}</a>` : name;
}
