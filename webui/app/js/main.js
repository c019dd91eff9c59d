// SPDX-License-Identifier: GPL-2.0-or-later
//
// Start of the console: language, colours, session, then the page.
import { html, render, useSignal, useEffect } from './lib.js';
import { startLanguage, language, t } from './i18n.js';
import { session, findSession } from './api.js';
import * as live from './live.js';
import { startTheme } from './theme.js';
import { Login } from './pages/login.js';
import { Frame } from './frame.js';
import { Toasts } from './ui/toasts.js';
import { DialogHost, closeDialog } from './ui/dialog.js';
import { Icon } from './ui/icons.js';

const RETRY_MS = 2000;

// While nobody answers at all: say so and go on asking.
function NoAnswer() {
	useEffect(() => {
		const again = setInterval(findSession, RETRY_MS);
		return () => clearInterval(again);
	}, []);
	return html`<main class="login-page"><div class="login card" role="status">
		<h1>avpair</h1><p><${Icon} name="busy" spin /> ${t('connect.trying')}</p></div></main>`;
}

function App() {
	const who = useSignal(session);
	useSignal(language);
	useEffect(() => {
		if (who)
			live.start();
		else
			live.stop();
		if (!who)
			closeDialog();
	}, [Boolean(who)]);
	let page = html`<${Frame} />`;
	if (who === undefined)
		page = html`<${NoAnswer} />`;
	else if (who === null)
		page = html`<${Login} />`;
	return html`${page}<${DialogHost} /><${Toasts} />`;
}

startTheme();
await startLanguage();
await findSession();
const root = document.getElementById('app');
root.textContent = '';
render(html`<${App} />`, root);
