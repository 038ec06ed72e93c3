// @ts-check
/** On the page that asks for the token: whoever gets this script has it, so the page is shut no more. */

location.replace(`${location.pathname}?again${location.hash}`);
