import { seedSales } from './seedSales.js';
import type { MockApp, MockSpace, MockUser } from './types.js';

/** Ada administers; Ben builds and Cem reads in the space of Sales; Dee is in no space. */
export function seedUsers(): MockUser[] {
  return [
    { id: 'user-ada', subject: 'auth0|ada', name: 'Ada', email: 'ada@example.test', roles: ['TenantAdmin'] },
    {
      id: 'user-ben',
      subject: 'auth0|ben',
      name: 'Ben',
      email: 'ben@example.test',
      roles: ['Developer'],
      groups: ['Sales'],
    },
    { id: 'user-cem', subject: 'auth0|cem', name: 'Cem', email: 'cem@example.test', groups: ['Sales', 'Finance'] },
    { id: 'user-dee', subject: 'auth0|dee', name: 'Dee', email: 'dee@example.test' },
  ];
}

export function seedSpaces(): MockSpace[] {
  return [
    {
      id: 'space-sales',
      name: 'Sales',
      type: 'shared',
      ownerId: 'user-ada',
      description: 'What sells, where and to whom',
      members: { 'user-ben': ['contributor'], 'user-cem': ['consumer'] },
    },
    {
      id: 'space-finance',
      name: 'Finance',
      type: 'managed',
      ownerId: 'user-ada',
      members: { 'user-cem': ['consumer'] },
    },
    { id: 'space-data', name: 'Data', type: 'data', ownerId: 'user-ada', members: { 'user-ben': ['producer'] } },
  ];
}

export const SALES_APP = '5a1e5a90-0001-4000-8000-000000000001';
export const BUDGET_APP = '5a1e5a90-0002-4000-8000-000000000002';
export const NOTES_APP = '5a1e5a90-0003-4000-8000-000000000003';

export function seedApps(): MockApp[] {
  return [
    seedSales(SALES_APP),
    {
      id: BUDGET_APP,
      name: 'Budget',
      description: 'Plan by cost centre; was saved with the year 2026 selected',
      ownerId: 'user-ada',
      spaceId: 'space-finance',
      tables: {
        Budget: [
          { CostCentre: 'Field', Year: 2025, Plan: 400 },
          { CostCentre: 'Field', Year: 2026, Plan: 450 },
          { CostCentre: 'Office', Year: 2025, Plan: 100 },
          { CostCentre: 'Office', Year: 2026, Plan: 120 },
        ],
      },
      selections: { Year: [2026] },
      script: 'Budget:\nLOAD CostCentre, Year, Plan FROM [lib://Data/budget.qvd] (qvd);\n',
    },
    {
      id: NOTES_APP,
      name: 'Notes',
      ownerId: 'user-dee',
      tables: {
        Notes: [
          { Note: 'call back', Done: 0 },
          { Note: 'pay', Done: 1 },
        ],
      },
      script: 'Notes:\nLOAD * INLINE [Note, Done\ncall back, 0\npay, 1];\n',
    },
  ];
}
