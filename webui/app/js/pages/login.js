// SPDX-License-Identifier: GPL-2.0-or-later
//
// Login, with the choice of language before anybody has an account's.
import { html, useState, useSignal, useRef, useLayoutEffect } from '../lib.js';
import { t, language, languages, useLanguage } from '../i18n.js';
import { login, loginReason } from '../api.js';
import { Button, Field, Notice, Problem } from '../ui/parts.js';

export function Login() {
	const reason = useSignal(loginReason);
	const lang = useSignal(language);
	const [username, setUsername] = useState('');
	const [password, setPassword] = useState('');
	const [error, setError] = useState(null);
	const [busy, setBusy] = useState(false);
	const userRef = useRef(null);
	const passRef = useRef(null);
	useLayoutEffect(() => {	// at once: else it takes the focus from who types the password
		document.title = `${t('login.title')} · avpair`;
		userRef.current.focus();
	}, []);
	const submit = async (ev) => {
		ev.preventDefault();
		if (busy)
			return;
		if (!username.trim() || !password) {
			setError({ message: t('login.both') });
			(username.trim() ? passRef : userRef).current.focus();
			return;
		}
		setBusy(true);
		setError(null);
		try {
			await login(username.trim(), password);
		} catch (e) {
			setError(e);
			setBusy(false);
			setPassword('');
			passRef.current.focus();
		}
	};
	return html`<main class="login-page"><div class="login card">
		<div class="login-brand"><img src="img/icon.svg" alt="" /><h1>avpair</h1></div>
		<p class="dim">${t('login.about')}</p>
		<form onSubmit=${submit} novalidate>
			${reason && !error && html`<${Notice} tone="idle" icon="info" role="status">${t(`login.${reason}`)}<//>`}
			<${Problem} error=${error} />
			<${Field} label=${t('login.user')}>${(p) => html`<input ...${p} ref=${userRef} type="text" name="username"
				autocomplete="username" autocapitalize="none" spellcheck=${false} value=${username} onInput=${(e) => setUsername(e.target.value)} />`}<//>
			<${Field} label=${t('login.password')}>${(p) => html`<input ...${p} ref=${passRef} type="password" name="password"
				autocomplete="current-password" value=${password} onInput=${(e) => setPassword(e.target.value)} />`}<//>
			<${Button} kind="primary" type="submit" busy=${busy}>${t('login.login')}<//>
		</form>
		<fieldset class="login-lang"><legend class="hidden-text">${t('login.language')}</legend>
			<div class="seg">${Object.entries(languages).map(([l, name]) => html`<label key=${l} lang=${l}>
				<input type="radio" name="language" value=${l} checked=${l === lang} onChange=${() => useLanguage(l)} />${name}</label>`)}</div>
		</fieldset>
	</div></main>`;
}
