// SPDX-License-Identifier: GPL-2.0-or-later
//
// The REST API: one function, one kind of error, and the session.
//
// request() gives the body of a 2xx answer or throws an ApiError.  A request
// that got no answer has code 'no-connection'; when it could have changed
// something its outcome is 'maybe'.
import { signal } from './lib.js';
import { language, t } from './i18n.js';

export const base = '/api/v1';

export class ApiError extends Error {
	constructor(problem, status) {
		super(problem.detail || problem.title || problem.code);
		this.code = problem.code;
		this.status = status;
		this.hint = problem.hint || null;
		this.params = problem.params || {};
		this.outcome = problem.outcome || 'not-done';
	}
}

// undefined = not known yet, null = nobody is logged in, else the session
export const session = signal(undefined);
// why the login page shows: null | 'expired' | 'logged-out' | 'inactive'
export const loginReason = signal(null);

function sessionOver(reason) {
	if (session.get())
		loginReason.set(reason);
	session.set(null);
}

async function problemOf(response) {
	try {
		const body = await response.json();
		if (body && typeof body.code === 'string')
			return body;
	} catch { /* not ours: a proxy's page or a cut answer */ }
	return { code: 'internal', detail: t('error.status', { status: response.status }) };
}

// options: body (object), background (bool: doesn't count as the person's
// activity), timeout_ms
export async function request(method, path, options = {}) {
	const headers = { 'Accept-Language': language.get(), Accept: 'application/json' };
	const changes = method !== 'GET';
	if (options.body !== undefined)
		headers['Content-Type'] = 'application/json';
	if (changes && session.get() && session.get().csrf)
		headers['X-CSRF-Token'] = session.get().csrf;
	if (options.background)
		headers['X-Background'] = '1';
	let response;
	try {
		response = await fetch(base + path, {
			method, headers, credentials: 'same-origin', cache: 'no-store',
			body: options.body === undefined ? undefined : JSON.stringify(options.body),
			signal: AbortSignal.timeout(options.timeout_ms || 20000),
		});
	} catch (e) {
		const lost = new ApiError({
			code: 'no-connection',
			detail: t(changes ? 'error.noConnectionMaybe' : 'error.noConnection'),
			outcome: changes ? 'maybe' : 'not-done',
		}, 0);
		lost.timedOut = e.name === 'TimeoutError';
		throw lost;
	}
	if (!response.ok) {
		const problem = await problemOf(response);
		if (response.status === 401 && problem.code !== 'login-failed')
			sessionOver('expired');
		throw new ApiError(problem, response.status);
	}
	if (response.status === 204)
		return null;
	try {
		return await response.json();
	} catch {
		throw new ApiError({
			code: 'no-connection', detail: t('error.noConnection'), outcome: changes ? 'maybe' : 'not-done',
		}, 0);
	}
}

export const get = (path, options) => request('GET', path, options);
export const post = (path, body = {}) => request('POST', path, { body });

// An id holds a colon, which a path may show as it is.
export const part = (id) => encodeURIComponent(id).replace(/%3A/gi, ':');

// -> did the console answer?  A short wait: while the unit address moves, the
// next try gets there sooner than this one.
export async function findSession() {
	try {
		session.set(await get('/session', { timeout_ms: 3000 }));
	} catch (e) {
		if (e.status === 401) {
			session.set(null);
			return true;
		}
		return false;
	}
	return true;
}

export async function login(username, password) {
	const answer = await post('/login', { username, password });
	loginReason.set(null);
	delete answer.token;	// for programs; the page's session is its cookie
	session.set(answer);
}

export async function logout(reason = 'logged-out') {
	try {
		await post('/logout');
	} catch { /* the cookie is worthless to us either way */ }
	sessionOver(reason);
}

const ranks = ['read-only', 'vm-manager', 'platform-manager', 'administrator'];

// may('vm-manager'): has the person this role or one above it?
export function may(role) {
	const s = session.get();
	return Boolean(s) && ranks.indexOf(s.role) >= ranks.indexOf(role);
}
