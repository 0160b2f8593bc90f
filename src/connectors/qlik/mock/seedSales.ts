import type { MockApp, MockRow, MockSheet } from './types.js';

const REGIONS = ['North', 'South', 'East', 'West'];
const PRODUCTS = ['Anvil', 'Bellows', 'Chisel'];
const CUSTOMERS = ['Acme', 'Birch', 'Cedar', 'Delta', 'Ember'];
/** 1 January 2026, as Qlik counts days: since 30 December 1899. */
const NEW_YEAR = 46_023;
const ORDERS = 60;

/** 60 orders whose numbers a test can reckon again: order n is of region n mod 4, product n mod 3, customer n mod 5, and costs 10 n. */
function orders(): MockRow[] {
  return Array.from({ length: ORDERS }, (_, index) => {
    const number = index + 1;
    return {
      OrderID: number,
      Region: REGIONS[number % 4] ?? null,
      Product: PRODUCTS[number % 3] ?? null,
      Customer: CUSTOMERS[number % 5] ?? null,
      Amount: number * 10,
      Date: NEW_YEAR + number,
    };
  });
}

/** One more customer than there are in the orders: Fjord has none. */
function customers(): MockRow[] {
  const countries = ['Sweden', 'Denmark', 'Sweden', 'Norway', 'Denmark', 'Norway'];
  return [...CUSTOMERS, 'Fjord'].map((Customer, index) => ({
    Customer,
    Country: countries[index] ?? null,
    Credit: (index + 1) * 1000,
  }));
}

const SCRIPT = `///$tab Main
SET DateFormat='YYYY-MM-DD';
///$tab Data
Orders:
LOAD OrderID, Region, Product, Customer, Amount, Date FROM [lib://Data/orders.qvd] (qvd);
Customers:
LOAD Customer, Country, Credit FROM [lib://Data/customers.qvd] (qvd);
`;

const SHEETS: readonly MockSheet[] = [
  {
    id: 'sheet-overview',
    title: 'Overview',
    description: 'Revenue at a glance',
    objects: [
      {
        id: 'chart-region',
        type: 'barchart',
        title: 'Revenue by region',
        dimensions: [{ library: 'dimension-region' }],
        measures: [{ library: 'measure-revenue' }],
      },
    ],
  },
  {
    id: 'sheet-details',
    title: 'Details',
    objects: [
      {
        id: 'table-customers',
        type: 'table',
        title: 'Customers',
        dimensions: ['Customer', 'Country'],
        measures: [{ expression: 'Sum(Amount)', label: 'Revenue' }, 'Count(OrderID)'],
      },
    ],
  },
];

export function seedSales(id: string): MockApp {
  return {
    id,
    name: 'Sales',
    description: 'Orders by region, product and customer',
    ownerId: 'user-ben',
    spaceId: 'space-sales',
    tables: { Orders: orders(), Customers: customers() },
    measures: [
      { id: 'measure-revenue', title: 'Revenue', expression: 'Sum(Amount)', description: 'What was invoiced' },
      { id: 'measure-orders', title: 'Number of orders', expression: 'Count(OrderID)' },
    ],
    dimensions: [
      { id: 'dimension-region', title: 'Sales region', fields: ['Region'] },
      { id: 'dimension-geography', title: 'Geography', fields: ['Country', 'Customer'] },
    ],
    variables: [
      { id: 'variable-target', name: 'vTarget', definition: '5000', comment: 'Revenue that each region should reach' },
      { id: 'variable-total', name: 'vTotal', definition: '=Sum(Amount)' },
    ],
    sheets: SHEETS,
    script: SCRIPT,
  };
}
