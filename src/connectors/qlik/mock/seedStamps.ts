/** When all that the seed holds was made, by whom, and the app that much of it is about. */
export const AT = '2026-01-05T08:00:00.000Z';
export const MADE = { ownerId: 'user-ada', createdAt: AT, updatedAt: AT, createdBy: 'user-ada', updatedBy: 'user-ada' };
export const SALES = '5a1e5a90-0001-4000-8000-000000000001';
