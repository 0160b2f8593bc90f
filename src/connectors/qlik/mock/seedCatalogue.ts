import { AT, MADE, SALES } from './seedStamps.js';
import type { MockRecords } from './types.js';

const QRI = 'qdf:qix-datafiles:mock:sid@space-data:orders.qvd';

/** Data, words and answers. */
export const SEED_CATALOGUE: MockRecords = {
  'data-sets': [
    {
      id: 'dataset-orders',
      name: 'orders.qvd',
      technicalName: 'orders.qvd',
      description: 'All orders since 2020',
      qri: QRI,
      secureQri: `qri:${QRI}`,
      spaceId: 'space-data',
      type: 'qix-df',
      tags: ['orders'],

      dataAssetInfo: { id: 'asset-1', name: 'DataFiles', dataStoreInfo: { id: 'store-1', type: 'qix-datafiles' } },
      schema: {
        dataFields: [
          { name: 'OrderID', dataType: { type: 'INTEGER' } },
          { name: 'Amount', dataType: { type: 'DOUBLE' } },
        ],
      },
      operational: { rowCount: 60, size: 4096 },
      ...MADE,
    },
  ],
  'data-files': [
    {
      id: 'file-orders',
      name: 'orders.qvd',
      baseName: 'orders.qvd',
      spaceId: 'space-data',
      size: 4096,
      createdDate: AT,
      modifiedDate: AT,
      ...MADE,
    },
  ],
  'data-connections': [
    {
      id: 'connection-files',
      qID: 'connection-files',
      qName: 'DataFiles',
      qType: 'folder',
      qConnectStatement: 'CUSTOM CONNECT TO "…"',
      space: 'space-data',
      spaceId: 'space-data',
      datasourceID: 'qix-datafiles',
      user: 'user-ada',
      created: AT,
      updated: AT,
      ownerId: 'user-ada',
    },
  ],
  glossaries: [
    {
      id: 'glossary-sales',
      name: 'Sales words',
      description: 'What we mean',
      tags: ['sales'],
      spaceId: 'space-sales',
      ...MADE,
    },
  ],
  terms: [
    {
      id: 'term-revenue',
      glossaryId: 'glossary-sales',
      name: 'Revenue',
      description: 'Invoiced amount without tax',
      abbreviation: 'Rev',
      status: { type: 'verified' },
      tags: [],
      stewards: ['user-ben'],
      categories: ['category-money'],
      linksTo: [
        {
          id: 'link-1',
          resourceType: 'app',
          resourceId: SALES,
          subResourceType: 'master_measure',
          subResourceId: 'measure-revenue',
          type: 'definition',
        },
      ],
      ...MADE,
    },
    {
      id: 'term-order',
      glossaryId: 'glossary-sales',
      name: 'Order',
      description: 'What a customer has asked for',
      status: { type: 'draft' },
      tags: [],
      stewards: [],
      categories: [],
      linksTo: [],
      ...MADE,
    },
  ],
  categories: [
    {
      id: 'category-money',
      glossaryId: 'glossary-sales',
      name: 'Money',
      description: 'What is counted',
      stewards: [],
      ...MADE,
    },
  ],
  collections: [
    {
      id: 'collection-board',
      name: 'For the board',
      description: '',
      type: 'public',
      itemIds: [`item-${SALES}`],
      creatorId: 'user-ada',

      ...MADE,
    },
  ],
  knowledgebases: [
    {
      id: 'kb-handbook',
      name: 'Handbook',
      description: 'How we sell',
      spaceId: 'space-sales',
      tags: [],

      datasources: [],
      contentSummary: { fileCount: 1, fileSize: 2048, textSize: 900, effectivePages: 1 },
      chunks: [
        {
          id: 'chunk-1',
          source: 'handbook.pdf',
          text: 'A discount above ten per cent needs the consent of the head of sales.',
        },
        { id: 'chunk-2', source: 'handbook.pdf', text: 'Orders are invoiced on the day of their delivery.' },
      ],
      ...MADE,
    },
  ],
  assistants: [
    {
      id: 'assistant-sales',
      name: 'Sales assistant',
      title: 'Ask about selling',
      description: '',
      spaceId: 'space-sales',
      knowledgeBases: ['kb-handbook'],
      tags: [],

      ...MADE,
    },
  ],
};
