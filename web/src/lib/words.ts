// Units as Python tells them, in the words of somebody who does not know the method.

const UNITS: Record<string, string> = {
  "nats of the logit": "change of the log-odds, in nats: 0.7 doubles the odds of a light pixel",
  "nats of the log rate": "change of the logarithm of the expected count: 0.7 doubles it",
  "1: another level, else sd": "standard deviations of each column; 1 where a level becomes another",
  "standard deviations": "standard deviations of each column",
};

export const plainUnit = (unit: string): string => UNITS[unit] ?? unit;
