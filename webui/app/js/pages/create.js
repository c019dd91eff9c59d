// SPDX-License-Identifier: GPL-2.0-or-later
//
// Making a virtual machine, step by step.  Nothing is made before the last
// button; before that the API is asked (dry_run) whether all of it would do,
// and what it refuses is shown at the field in question.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../lib.js';
import { t, word, bytes, number } from '../i18n.js';
import { post } from '../api.js';
import { useLive, refresh } from '../live.js';
import { go } from '../router.js';
import { Button, Card, Facts, Field, Notice, PageHead, Problem } from '../ui/parts.js';
import { Icon } from '../ui/icons.js';
import { toast } from '../ui/toasts.js';

const steps = ['basics', 'power', 'volumes', 'networks', 'summary'];
const MiB = 2 ** 20, GiB = 2 ** 30;
const MAX_VCPUS = 8, MIN_MEMORY = 256 * MiB;

// which field, in which step, an error code of the API is about
const fieldOf = {
	'name-invalid': ['basics', 'name'], 'name-exists': ['basics', 'name'],
	'vcpus-out-of-range': ['power', 'vcpus'], 'memory-too-small': ['power', 'memory'],
	'no-memory': ['power', 'memory'], 'no-space': ['volumes', 'volumes'],
	'size-invalid': ['volumes', 'volumes'], 'too-many-volumes': ['volumes', 'volumes'],
	'image-not-found': ['volumes', 'volumes'], 'image-too-big': ['volumes', 'volumes'],
};
const stepOfField = { name: 'basics', vcpus: 'power', memory: 'power', volumes: 'volumes', networks: 'networks' };

const newVolume = () => ({ name: '', size: '10', unit: 'GiB', image: '', storage_group: '' });

const inBytes = (size, unit) => Math.round(Number(size) * (unit === 'MiB' ? MiB : GiB));

// The size and unit that a person would write for this many bytes.
function sizeOf(n) {
	return n % GiB === 0 ? { size: String(n / GiB), unit: 'GiB' } : { size: String(Math.ceil(n / MiB)), unit: 'MiB' };
}

export function bodyOf(form) {
	return {
		name: form.name.trim(),
		description: form.description.trim(),
		os: form.os,
		vcpus: Number(form.vcpus),
		memory_bytes: inBytes(form.memory, form.memoryUnit),
		preferred: form.preferred || null,
		volumes: form.volumes.map((v) => ({
			...(v.name.trim() ? { name: v.name.trim() } : {}),
			size_bytes: inBytes(v.size, v.unit),
			...(v.storage_group ? { storage_group: v.storage_group } : {}),
			...(v.image ? { image: v.image } : {}),
		})),
		networks: form.networks,
		start: form.start,
	};
}

// What the form can see by itself, per step: {field: text}
function check(step, form, have) {
	const bad = {};
	if (step === 'basics' && form.name.trim() === '')
		bad.name = t('why.noName');
	if (step === 'power') {
		const v = Number(form.vcpus);
		const limit = Math.min(MAX_VCPUS, have.limits.vcpus_limit || MAX_VCPUS);
		if (!Number.isInteger(v) || v < 1 || v > limit)
			bad.vcpus = t('create.vcpusRange', { limit });
		if (!(inBytes(form.memory, form.memoryUnit) >= MIN_MEMORY))
			bad.memory = t('create.memoryMin', { min: bytes(MIN_MEMORY) });
	}
	if (step === 'volumes')
		form.volumes.forEach((v, i) => {
			const image = have.images.find((x) => x.name === v.image);
			const n = inBytes(v.size, v.unit);
			if (!(n >= MiB))
				bad[`volumes.${i}`] = t('create.sizeMin');
			else if (image && n < image.size_bytes)
				bad[`volumes.${i}`] = t('create.sizeImage', { size: bytes(image.size_bytes) });
		});
	return bad;
}

function Basics({ form, set, errors }) {
	return html`<${Field} label=${t('field.name')} hint=${t('hint.name')} error=${errors.name}>
			${(p) => html`<input ...${p} type="text" name="name" value=${form.name} autocomplete="off" maxlength="255" onInput=${(e) => set({ name: e.target.value })} />`}<//>
		<${Field} label=${t('field.description')} optional>
			${(p) => html`<textarea ...${p} name="description" value=${form.description} onInput=${(e) => set({ description: e.target.value })}></textarea>`}<//>
		<${Field} label=${t('field.os')} hint=${t('create.osHint')}>
			${(p) => html`<select ...${p} name="os" value=${form.os} onChange=${(e) => set({ os: e.target.value })}>
				${['linux', 'windows', 'other'].map((o) => html`<option value=${o} key=${o}>${word('os', o)}</option>`)}</select>`}<//>`;
}

function Power({ form, set, errors, have }) {
	const r = have.limits;
	const v = Number(form.vcpus);
	const free = r.memory_total_bytes - r.memory_used_bytes;
	const rest = r.vcpus_recommended - (r.vcpus_used || 0);
	const warn = !errors.vcpus && r.vcpus_recommended && v > rest ? t('create.vcpusWarn', { n: Math.max(0, rest), recommended: r.vcpus_recommended }) : null;
	const memory = inBytes(form.memory, form.memoryUnit);
	return html`<${Field} label=${t('field.vcpus')} error=${errors.vcpus} warn=${warn}
			hint=${r.vcpus_limit ? t('create.vcpusHint', { used: r.vcpus_used, recommended: r.vcpus_recommended, limit: Math.min(MAX_VCPUS, r.vcpus_limit) }) : null}>
			${(p) => html`<input ...${p} type="number" name="vcpus" min="1" max=${MAX_VCPUS} step="1" value=${form.vcpus} onInput=${(e) => set({ vcpus: e.target.value })} />`}<//>
		<${Field} label=${t('field.memory')} error=${errors.memory} warn=${free > 0 && memory > free ? t('create.memoryWarn', { free: bytes(free) }) : null}
			hint=${free >= 0 ? t('create.memoryHint', { free: bytes(free), total: bytes(r.memory_total_bytes) }) : null}>
			${(p) => html`<div class="with-unit"><input ...${p} type="number" name="memory" min="1" step="any" value=${form.memory} onInput=${(e) => set({ memory: e.target.value })} />
				<select aria-label=${t('field.unitOf', { of: t('field.memory') })} value=${form.memoryUnit} onChange=${(e) => set({ memoryUnit: e.target.value })}><option>MiB</option><option>GiB</option></select></div>`}<//>
		<${Field} label=${t('field.preferred')} hint=${t('create.preferredHint')}>
			${(p) => html`<select ...${p} value=${form.preferred} onChange=${(e) => set({ preferred: e.target.value })}>
				<option value="">${t('create.automatic')}</option>${have.nodes.map((n) => html`<option key=${n.id}>${n.name}</option>`)}</select>`}<//>`;
}

function VolumeForm({ i, v, form, change, drop, error, have }) {
	const fallback = form.name.trim() ? `${form.name.trim()}-${i === 0 ? 'boot' : `data${i}`}` : '';
	const pick = (name) => {
		const image = have.images.find((x) => x.name === name);
		change({ image: name, ...(image && inBytes(v.size, v.unit) < image.size_bytes ? sizeOf(image.size_bytes) : {}) });
	};
	const images = [...new Map(have.images.map((x) => [x.name, x])).values()];
	return html`<fieldset class="vol"><legend>${i === 0 ? t('create.bootVolume') : t('create.dataVolume', { n: i })}</legend>
		<div class="vol-fields">
		<${Field} label=${t('field.size')} error=${error}>${(p) => html`<div class="with-unit"><input ...${p} type="number" min="1" step="any" name=${`size${i}`} value=${v.size} onInput=${(e) => change({ size: e.target.value })} />
			<select aria-label=${t('field.unitOf', { of: t('field.size') })} value=${v.unit} onChange=${(e) => change({ unit: e.target.value })}><option>MiB</option><option>GiB</option></select></div>`}<//>
		<${Field} label=${t('create.content')}>${(p) => html`<select ...${p} name=${`image${i}`} value=${v.image} onChange=${(e) => pick(e.target.value)}>
			<option value="">${t('create.empty')}</option>
			${images.map((x) => html`<option value=${x.name} key=${x.name}>${t('create.image', { name: x.name, size: bytes(x.size_bytes) })}</option>`)}</select>`}<//>
		<${Field} label=${t('field.name')} optional>${(p) => html`<input ...${p} type="text" value=${v.name} placeholder=${fallback} autocomplete="off" onInput=${(e) => change({ name: e.target.value })} />`}<//>
		${have.groups.length > 1 && html`<${Field} label=${t('storage.one')}>${(p) => html`<select ...${p} value=${v.storage_group} onChange=${(e) => change({ storage_group: e.target.value })}>
			${have.groups.map((g) => html`<option key=${g.id} value=${g.name}>${t('create.group', { name: g.name, free: bytes(g.free_bytes) })}</option>`)}</select>`}<//>`}
		${i > 0 && html`<${Button} small kind="danger-quiet" icon="trash" onClick=${drop}>${t('create.dropVolume')}<//>`}
		</div></fieldset>`;
}

function Volumes({ form, set, errors, have }) {
	const change = (i) => (part) => set({ volumes: form.volumes.map((v, k) => (k === i ? { ...v, ...part } : v)) });
	const free = have.groups.reduce((n, g) => n + (g.free_bytes || 0), 0);
	const sum = form.volumes.reduce((n, v) => n + (inBytes(v.size, v.unit) || 0), 0);
	return html`${errors.volumes && html`<${Notice} tone="critical" role="alert"><p>${errors.volumes}</p><//>`}
		<p class="dim">${t('create.volumesHint')} ${have.groups.length > 0 && t('create.free', { free: bytes(free), sum: bytes(sum) })}</p>
		${form.volumes.map((v, i) => html`<${VolumeForm} key=${i} i=${i} v=${v} form=${form} have=${have} error=${errors[`volumes.${i}`]}
			change=${change(i)} drop=${() => set({ volumes: form.volumes.filter((_, k) => k !== i) })} />`)}
		<${Button} icon="plus" onClick=${() => set({ volumes: [...form.volumes, newVolume()] })}>${t('create.addVolume')}<//>`;
}

function Nets({ form, set, errors, have }) {
	const toggle = (name, on) => set({ networks: on ? [...form.networks, name] : form.networks.filter((n) => n !== name) });
	return html`<fieldset><legend>${t('create.networksTitle')}</legend>
		${errors.networks && html`<${Notice} tone="critical" role="alert"><p>${errors.networks}</p><//>`}
		${have.networks.length === 0 && html`<p class="dim">${t('network.none')}</p>`}
		${have.networks.map((n) => html`<label class="check" key=${n.id}><input type="checkbox" checked=${form.networks.includes(n.name)}
			onChange=${(e) => toggle(n.name, e.target.checked)} /><span>${n.name} <span class="dim">${word('linkrole', n.role)}</span></span></label>`)}
		<p class="hint dim small">${t('create.networksHint')}</p></fieldset>`;
}

function Summary({ form, set, checked, error }) {
	return html`<${Facts} rows=${[
		[t('field.name'), html`<strong>${form.name.trim()}</strong>`],
		form.description.trim() && [t('field.description'), form.description.trim()],
		[t('field.os'), word('os', form.os)],
		[t('field.vcpus'), number(Number(form.vcpus))],
		[t('field.memory'), bytes(inBytes(form.memory, form.memoryUnit))],
		[t('field.preferred'), form.preferred || t('create.automatic')],
		[t('menu.volumes'), html`<ul class="plain">${form.volumes.map((v, i) => html`<li key=${i}>${v.name.trim() || `${form.name.trim()}-${i === 0 ? 'boot' : `data${i}`}`},
			${' '}${bytes(inBytes(v.size, v.unit))}${v.image ? `, ${v.image}` : `, ${t('create.empty')}`}</li>`)}</ul>`],
		[t('menu.networks'), form.networks.length ? form.networks.join(', ') : t('network.noneVm')],
	]} />
	<label class="check"><input type="checkbox" name="start" checked=${form.start} onChange=${(e) => set({ start: e.target.checked })} /><span>${t('create.start')}</span></label>
	<div role="status" class="stack">${checked === null && !error && html`<p class="dim"><${Icon} name="busy" spin /> ${t('create.checking')}</p>`}
		${checked && (checked.warnings || []).map((w) => html`<${Notice} tone="alert" key=${w.code}><p>${w.text}</p><//>`)}
		${checked && html`<p class="state good"><${Icon} name="good" />${t('create.checked')}</p>`}</div>
	<${Problem} error=${error} />`;
}

function useHave() {
	const unit = useLive('unit').data, nodes = useLive('nodes').data, networks = useLive('networks').data;
	const images = useLive('images').data, groups = useLive('storage-groups').data;
	return { limits: (unit && unit.resources) || {}, nodes: nodes || [], networks: networks || [], images: images || [], groups: groups || [] };
}

export function CreateVm() {
	const have = useHave();
	const [form, setForm] = useState({ name: '', description: '', os: 'linux', vcpus: '1', memory: '1', memoryUnit: 'GiB',
		preferred: '', volumes: [newVolume()], networks: null, start: true });
	const [step, setStep] = useState(0);
	const [errors, setErrors] = useState({});
	const [checked, setChecked] = useState(null);
	const [error, setError] = useState(null);
	const [busy, setBusy] = useState(false);
	const box = useRef(null);
	const now = { ...form, networks: form.networks || have.networks.slice(0, 1).map((n) => n.name) };
	const set = (change) => {
		setForm((f) => ({ ...f, ...change }));
		setErrors({});
		setError(null);
	};
	const show = (i) => {
		setStep(i);
		setErrors({});
		setChecked(null);
		setError(null);
	};
	// 'refused' by the API: to the field it is about, if we know one
	const refuse = (e) => {
		const [where, field] = fieldOf[e.code] || [stepOfField[e.params.argument], e.params.argument];
		if (!where) {
			setError(e);
			return;
		}
		setStep(steps.indexOf(where));
		setErrors({ [field]: [e.message, e.hint].filter(Boolean).join(' ') });
	};
	const wrong = Object.keys(errors).join();
	// The focus goes to what is new, in the same moment: some frames later it would
	// take away what somebody who is quick types into another field.
	useLayoutEffect(() => {
		const first = box.current && box.current.querySelector('input, select, textarea');
		if (first && !wrong)
			first.focus();
	}, [step]);
	useLayoutEffect(() => {	// or wrong; but it stays where one types to mend that
		const first = wrong && box.current && box.current.querySelector('[aria-invalid="true"]');
		if (first)
			first.focus();
	}, [step, wrong]);
	useEffect(() => {
		if (steps[step] !== 'summary')
			return undefined;
		let over = false;
		post('/vms', { ...bodyOf(now), dry_run: true }).then((r) => !over && setChecked(r || {}), (e) => !over && refuse(e));
		return () => {
			over = true;
		};
	}, [step, form.start]);
	const next = async (ev) => {
		ev.preventDefault();
		const bad = check(steps[step], now, have);
		setErrors(bad);
		if (Object.keys(bad).length > 0 || busy)
			return;
		if (steps[step] !== 'summary') {
			show(step + 1);
			return;
		}
		setBusy(true);
		setError(null);
		try {
			const made = await post('/vms', bodyOf(now));
			refresh('vms', 'volumes', 'unit', 'storage-groups');
			toast('good', t('did.create', { name: now.name.trim() }));
			go(`/vms/${made.id}`);
		} catch (e) {
			refuse(e);
			setBusy(false);
		}
	};
	const pages = { basics: Basics, power: Power, volumes: Volumes, networks: Nets, summary: Summary };
	const Page = pages[steps[step]];
	const last = steps[step] === 'summary';
	return html`<${PageHead} title=${t('create.title')} crumb=${html`<a href="#/vms">${t('menu.vms')}</a>`} />
		<div class="wizard"><ol class="wizard-steps">${steps.map((s, i) => html`<li key=${s} aria-current=${i === step ? 'step' : undefined} class=${i < step ? 'done' : ''}>
			<span class="dot">${i < step ? html`<${Icon} name="good" />` : i + 1}</span>
			${i < step ? html`<button type="button" class="linkish" onClick=${() => show(i)}>${t(`create.step.${s}`)}</button>` : html`<span>${t(`create.step.${s}`)}</span>`}</li>`)}</ol>
		<form onSubmit=${next} novalidate><${Card} title=${t(`create.step.${steps[step]}`)}>
			<div ref=${box} class="wizard-page"><${Page} form=${now} set=${set} errors=${errors} have=${have} checked=${checked} error=${error} /></div><//>
			<div class="wizard-foot"><${Button} onClick=${() => go('/vms')}>${t('common.cancel')}<//><span class="space"></span>
			${step > 0 && html`<${Button} icon="back" onClick=${() => show(step - 1)}>${t('common.back')}<//>`}
			<${Button} kind="primary" type="submit" busy=${busy} why=${last && !checked ? t('create.checking') : null}>${t(last ? 'create.finish' : 'common.next')}<//></div>
		</form></div>`;
}
