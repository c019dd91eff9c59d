// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the unit says about itself (reasons, alerts), in the person's language.
//
// The agent speaks English and gives a code with it.  locale/LANG.agent.json
// has the other languages, by code; what it doesn't have stays as the agent
// said it.  The repair steps of an alert are the lines of one text.
import { agentText } from './i18n.js';

const sentence = (s) => (/^node\d/.test(s) ? s : s[0].toUpperCase() + s.slice(1));

// reason: {code, text, params} or null -> a sentence, '' for none.  node: the PM that
// says it, which its words call "this PM".
export function reasonText(reason, node) {
	if (!reason || (!reason.text && !reason.code))
		return '';
	const own = agentText(`reason.${reason.code}`, { ...(node ? { node } : {}), ...reason.params });
	if (own)
		return own;
	const text = reason.text || reason.code;
	return sentence(node ? text.replace(/\bthis PM\b/gi, node) : text);
}

// -> {text, cause, repair: [..]}
export function alertTexts(alert) {
	const own = (part) => agentText(`alert.${alert.code}.${part}`, alert.params);
	const repair = own('repair');
	return {
		text: own('text') || alert.text,
		cause: own('cause') || alert.cause,
		repair: repair ? repair.split('\n') : alert.repair || [],
	};
}
