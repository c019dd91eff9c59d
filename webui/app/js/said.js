// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the unit says about itself (reasons, alerts), in the person's language.
//
// The agent speaks English and gives a code with it.  locale/LANG.agent.json
// has the other languages, by code; what it doesn't have stays as the agent
// said it.  The repair steps of an alert are the lines of one text.
import { agentText } from './i18n.js';

const sentence = (s) => (!s || /^node\d/.test(s) ? s || '' : s[0].toUpperCase() + s.slice(1));

// reason: {code, text} or null -> a sentence, '' for none
export function reasonText(reason) {
	if (!reason || (!reason.text && !reason.code))
		return '';
	return agentText(`reason.${reason.code}`) || sentence(reason.text);
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
