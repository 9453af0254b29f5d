/** Dates as HTTP has them (RFC 9110, 5.6.7), in their three forms and no other: engines take more, each its own. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const FORMS = [
    /^(?<name>[A-Z][a-z]{2}), (?<day>[0-9]{2}) (?<month>[A-Z][a-z]{2}) (?<year>[0-9]{4}) (?<time>[0-9:]{8}) GMT$/,
    /^(?<name>[A-Z][a-z]+day), (?<day>[0-9]{2})-(?<month>[A-Z][a-z]{2})-(?<year>[0-9]{2}) (?<time>[0-9:]{8}) GMT$/,
    /^(?<name>[A-Z][a-z]{2}) (?<month>[A-Z][a-z]{2}) (?<day>[ 0-9][0-9]) (?<time>[0-9:]{8}) (?<year>[0-9]{4})$/,
];
const TIME = /^([0-9]{2}):([0-9]{2}):([0-9]{2})$/;

/** The moment, in milliseconds since 1970; `undefined` where it is no date, or its day of the week is another. */
export function httpDateMs(text: string): number | undefined {
    const found = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
    const time = TIME.exec(found?.time ?? "");
    const month = MONTHS.indexOf(found?.month ?? "");
    if (found === undefined || time === null || month < 0) {
        return undefined;
    }
    const [hour, minute, second] = time.slice(1).map(Number) as [number, number, number];
    const [year, day] = [fullYear(found.year ?? ""), Number(found.day)];
    const date = new Date(Date.UTC(year, month, day, hour, minute, second));
    // What is too large would be carried on: the 30th of February to March.
    const isDate = date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
    const name = DAYS[date.getUTCDay()] ?? "";
    return isDate && (found.name === name || found.name === name.slice(0, 3)) ? date.getTime() : undefined;
}

function fullYear(year: string): number {
    return year.length === 4 ? Number(year) : Number(year) + (Number(year) < 70 ? 2000 : 1900);
}
