// SPDX-License-Identifier: GPL-2.0-or-later
//
// tests/live/conform.mjs - answers against console/openapi.json, and against
// each other
//
//   node conform.mjs openapi.json samples.jsonl
//
// A sample is a line {"from":"real"|"fake","method","path","status","body"}: an
// answer of a unit's console, or of a console with the stand-in agent.  Checked,
// each check one line 'ok NAME' or 'not ok NAME' (reasons on stderr):
//   described_FROM   every answer fits its schema: members are there, are of their
//                    type, and none is there that isn't described
//   all_gets_FROM    every GET of the description was asked
//   same_shape       per route, the stand-in's answers have the same members, of
//                    the same types, as the real ones
// The checker knows the part of JSON Schema that the description uses; an object
// with 'properties' is closed, one without is free.
import { readFileSync } from 'fs';

const [, , apiFile, samplesFile] = process.argv;
const api = JSON.parse(readFileSync(apiFile, 'utf8'));
const samples = readFileSync(samplesFile, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
const KNOWN = new Set(['$ref', 'type', 'properties', 'required', 'items', 'anyOf', 'enum', 'const',
	'additionalProperties', 'description', 'format', 'minimum', 'maximum', 'minLength', 'maxLength', 'title']);
let failed = 0;

function say(name, problems) {
	console.log(`${problems.length ? 'not ok' : 'ok'} ${name}`);
	for (const p of [...new Set(problems)].slice(0, 40))
		console.error(`${name}: ${p}`);
	failed += problems.length ? 1 : 0;
}

const typeOf = (v) => v === null ? 'null' : Array.isArray(v) ? 'array' :
	Number.isInteger(v) ? 'integer' : typeof v;
const resolve = (s) => s.$ref ? resolve(s.$ref.slice(2).split('/').reduce((o, k) => o[k], api)) : s;

// -> reasons why 'v' doesn't fit
function misfits(schema, v, at) {
	const s = resolve(schema), t = typeOf(v);
	const unknown = Object.keys(s).filter((k) => !KNOWN.has(k));
	if (unknown.length)
		return [`${at}: the checker doesn't know '${unknown}'`];
	if (s.anyOf) {
		const tries = s.anyOf.map((one) => misfits(one, v, at));
		return tries.some((m) => m.length === 0) ? [] : tries.sort((a, b) => a.length - b.length)[0];
	}
	if ('const' in s && v !== s.const)
		return [`${at}: ${JSON.stringify(v)} isn't ${s.const}`];
	if (s.type && s.type !== t && !(s.type === 'number' && t === 'integer'))
		return [`${at}: ${t}, not ${s.type}`];
	if (s.enum && !s.enum.includes(v))
		return [`${at}: '${v}' isn't one of ${s.enum.join(', ')}`];
	if (s.format === 'date-time' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(v))
		return [`${at}: '${v}' is no time`];
	if (t === 'array')
		return v.flatMap((e) => misfits(s.items ?? {}, e, `${at}[]`));
	return t === 'object' ? memberMisfits(s, v, at) : [];
}

function memberMisfits(s, v, at) {
	const bad = (s.required ?? []).filter((k) => !(k in v)).map((k) => `${at}.${k}: missing`);
	for (const [k, e] of Object.entries(v)) {
		const more = s.additionalProperties;
		if (s.properties?.[k])
			bad.push(...misfits(s.properties[k], e, `${at}.${k}`));
		else if (typeof more === 'object')
			bad.push(...misfits(more, e, `${at}.${k}`));
		else if (s.properties || more === false)
			bad.push(`${at}.${k}: not described`);
	}
	return bad;
}

// The described path that an address stands for.
function routeOf(sample) {
	const path = sample.path.replace(/\?.*/, '');
	return Object.keys(api.paths).sort((a, b) => a.includes('{') - b.includes('{')).find((p) =>
		new RegExp(`^${p.replace(/\{[^}]*\}/g, '[^/]+')}$`).test(path));
}

function schemaOf(sample, route) {
	const op = api.paths[route]?.[sample.method.toLowerCase()];
	const r = op?.responses[sample.status] ?? (sample.status >= 400 ? op?.responses.default : undefined);
	return r && Object.values(resolve(r).content ?? {})[0]?.schema;
}

function checkDescribed(from) {
	const problems = [], asked = new Set();
	for (const s of samples.filter((x) => x.from === from)) {
		const route = routeOf(s), at = `${s.method} ${route ?? s.path} ${s.status}`;
		const schema = route && schemaOf(s, route);
		if (s.method === 'GET' && s.status === 200)
			asked.add(route);
		if (!schema)
			problems.push(`${at}: no such answer is described`);
		else
			problems.push(...misfits(schema, s.body, at));
	}
	say(`described_${from}`, problems);
	// one is a stream, one a websocket
	const gets = Object.keys(api.paths).filter((p) => api.paths[p].get && !['/events', '/console/{id}'].includes(p));
	say(`all_gets_${from}`, gets.filter((p) => !asked.has(p)).map((p) => `GET ${p} wasn't asked`));
}

// 'at' -> types seen there, for every member below 'v'; what is free by the
// description (versions, params ...) isn't looked into
function shape(schema, v, at, into) {
	const s = schema ? resolve(schema) : {}, t = typeOf(v);
	(into[at] ??= new Set()).add(t);
	const one = s.anyOf?.map(resolve).find((x) => x.type === t) ?? s;
	if (t === 'array')
		v.forEach((e) => shape(one.items, e, `${at}[]`, into));
	else if (t === 'object' && one.properties)
		Object.entries(v).forEach(([k, e]) => shape(one.properties[k], e, `${at}.${k}`, into));
}

function checkShape() {
	const seen = { real: {}, fake: {} }, problems = [];
	for (const s of samples) {
		const route = routeOf(s);
		if (s.status < 400)
			shape(schemaOf(s, route), s.body, `${s.method} ${route}`, seen[s.from]);
	}
	const full = (set) => [...set ?? []].filter((t) => t !== 'null').sort().join('|');
	for (const at of new Set([...Object.keys(seen.real), ...Object.keys(seen.fake)])) {
		const r = seen.real[at], f = seen.fake[at];
		if (!r || !f)
			problems.push(`${at}: only the ${r ? 'real' : 'fake'} agent has it`);
		else if (full(r) && full(f) && full(r) !== full(f) && full(r) + full(f) !== 'numberinteger')
			problems.push(`${at}: real ${full(r)}, fake ${full(f)}`);
	}
	say('same_shape', problems);
}

for (const from of ['real', 'fake'])
	checkDescribed(from);
checkShape();
process.exit(failed ? 1 : 0);
