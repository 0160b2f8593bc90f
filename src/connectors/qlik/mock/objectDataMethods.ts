import type { Item } from './appDoc.js';
import { type CubeCell, cellsOf, cut, MAX_CELLS, pagesOf } from './cells.js';
import { cubeDefinition, recordOf } from './cubeDefinition.js';
import { EngineError, pagesTooLarge } from './engineError.js';
import type { Args, Calling, EngineMethod, EngineMethods } from './engineMethod.js';
import { hyperCube, matrixOf } from './hyperCube.js';
import { effective } from './layouts.js';
import { definitionAt, fieldOf, finds, listMatrix } from './listObject.js';

type Json = Readonly<Record<string, unknown>>;

function definition(args: Args, { session, target }: Calling<Item>): Json {
  return definitionAt(effective(session, target, session.softPatches.get(target)), args.text('qPath'));
}

/** Pages of what the rows hold, none of them larger than the engine allows. */
function pages(args: Args, rowsOf: () => readonly (readonly CubeCell[])[]): object {
  const wanted = pagesOf(args.list('qPages'));
  if (wanted.some(({ qTop, qLeft, qWidth, qHeight }) => Math.min(qTop, qLeft, qWidth, qHeight) < 0))
    throw new EngineError(8, 'Invalid parameters', 'qPages');
  if (cellsOf(wanted) > MAX_CELLS) throw pagesTooLarge();
  const rows = rowsOf();
  return { qDataPages: wanted.map((page) => cut(rows, page)) };
}

function cubePages(args: Args, calling: Calling<Item>): object {
  const given = definition(args, calling);
  return pages(args, () => {
    const cube = hyperCube(calling.session, given);
    if (cube.definition.mode !== 'S') throw new EngineError(6002, 'Invalid object state');
    if (cube.error !== undefined) throw new EngineError(cube.error, 'The hypercube has an error');
    return matrixOf(calling.session, given);
  });
}

/** Whatever comes of a selection, the engine answers `qSuccess`. */
function selected(
  calling: Calling<Item>,
  field: string | undefined,
  elements: readonly number[],
  toggle: boolean,
): object {
  const qSuccess = field !== undefined && calling.session.selections.select(field, elements, toggle);
  if (qSuccess) calling.changed();
  return { qSuccess };
}

function listSelect(states: readonly string[] | undefined): EngineMethod<Item> {
  return {
    params: { qPath: 'string', qSoftLock: 'boolean?' },
    run: (args, calling) => {
      const field = fieldOf(calling.session, definition(args, calling))?.name;
      const found = field === undefined ? [] : calling.session.selections.states(field);
      const elements = found.flatMap((state, element) => (!states || states.includes(state) ? [element] : []));
      return selected(calling, field, elements, false);
    },
  };
}

function dimensionField(calling: Calling<Item>, given: Json, number: number): string | undefined {
  const node = cubeDefinition(calling.session, given).dimensions[number]?.node;
  return node?.kind === 'field' ? node.name : undefined;
}

/** Selects the values of these rows, dimension by dimension. */
function selectCells(args: Args, calling: Calling<Item>): object {
  const given = definition(args, calling);
  const rows = matrixOf(calling.session, given);
  const results = args.list<number>('qColIndices').map((column) => {
    const elements = args.list<number>('qRowIndices').flatMap((row) => rows[row]?.[column]?.qElemNumber ?? []);
    return calling.session.selections.select(dimensionField(calling, given, column) ?? '', elements);
  });
  if (results.some(Boolean)) calling.changed();
  return { qSuccess: results.length > 0 && results.every(Boolean) };
}

/** Of an object: the data of its cubes and lists, and selections in them. */
export const objectDataMethods: EngineMethods<Item> = {
  GetHyperCubeData: { params: { qPath: 'string', qPages: 'array' }, run: cubePages },
  GetListObjectData: {
    params: { qPath: 'string', qPages: 'array' },
    run: (args, calling) => {
      const given = definition(args, calling);
      const { session, target } = calling;
      return pages(args, () => listMatrix(session, given, session.searches.get(target)));
    },
  },
  SelectListObjectValues: {
    params: { qPath: 'string', qValues: 'array', qToggleMode: 'boolean', qSoftLock: 'boolean?' },
    run: (args, calling) => {
      const field = fieldOf(calling.session, definition(args, calling))?.name;
      return selected(calling, field, args.list<number>('qValues'), args.flag('qToggleMode'));
    },
  },
  SelectListObjectAll: listSelect(undefined),
  SelectListObjectPossible: listSelect(['S', 'O', 'L']),
  SelectListObjectExcluded: listSelect(['X', 'A', 'XS']),
  SelectListObjectAlternative: listSelect(['A']),
  SearchListObjectFor: {
    params: { qPath: 'string', qMatch: 'string' },
    run: (args, calling) => {
      const { session, target } = calling;
      const field = fieldOf(session, definition(args, calling));
      session.searches.set(target, args.text('qMatch'));
      calling.changed();
      return { qSuccess: field?.values.some((value) => finds(String(value), args.text('qMatch'))) ?? false };
    },
  },
  AbortListObjectSearch: {
    params: { qPath: 'string' },
    run: (_, { session, target, changed }) => {
      session.searches.delete(target);
      changed();
      return {};
    },
  },
  SelectHyperCubeValues: {
    params: { qPath: 'string', qDimNo: 'number', qValues: 'array', qToggleMode: 'boolean' },
    run: (args, calling) => {
      const field = dimensionField(calling, definition(args, calling), args.number('qDimNo'));
      return selected(calling, field, args.list<number>('qValues'), args.flag('qToggleMode'));
    },
  },
  SelectHyperCubeCells: {
    params: {
      ...{ qPath: 'string', qRowIndices: 'array', qColIndices: 'array' },
      ...{ qSoftLock: 'boolean?', qDeselectOnlyOneSelected: 'boolean?' },
    },
    run: selectCells,
  },
  ClearSelections: {
    params: { qPath: 'string', qColIndices: 'array?' },
    run: (args, calling) => {
      const given = definition(args, calling);
      const list = fieldOf(calling.session, given)?.name;
      const dimensions = Array.isArray(recordOf(given).qDimensions)
        ? cubeDefinition(calling.session, given).dimensions
        : [];
      const fields = [list, ...dimensions.map(({ node }) => (node?.kind === 'field' ? node.name : undefined))];
      for (const field of fields) if (field !== undefined) calling.session.selections.clear(field);
      calling.changed();
      return {};
    },
  },
  BeginSelections: { params: { qPaths: 'array' }, run: () => ({}) },
  EndSelections: { params: { qAccept: 'boolean' }, run: () => ({}) },
};
