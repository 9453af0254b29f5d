/** What a database answers in a test. */

import type { SqlError, SqlErrorKind, SqlResult, SqlValue } from "../database.js";
import type { Reply } from "../rounds.js";

/** Rows with these columns; none yet. */
export function rows(...columns: string[]): ScriptedRows {
    return new ScriptedRows([{ affected: 0, columns, rows: [] }]);
}

/** So many rows changed, and none given. */
export function affected(rows: number): ScriptedRows {
    return new ScriptedRows([{ affected: rows, columns: [], rows: [] }]);
}

/** A refusal, with its SQLSTATE and message. */
export function sqlError(kind: SqlErrorKind, code: string, message: string): ScriptedRefusal {
    return new ScriptedRefusal({ kind, statement: 0, code, message, constraint: undefined });
}

/** What the statements of one transaction are answered with. */
export class ScriptedRows {
    /** @internal */
    constructor(readonly results: readonly SqlResult[]) {}

    /** @internal */
    get reply(): Reply {
        return { sql: { done: this.results } };
    }

    /** One more row of the latest statement. */
    row(...values: SqlValue[]): ScriptedRows {
        const last = this.results.length - 1;
        return new ScriptedRows(
            this.results.map((result, at) => (at === last ? { ...result, rows: [...result.rows, values] } : result)),
        );
    }

    /** And this, to the statements that follow. (A method `then` would make a promise of it.) */
    and(following: ScriptedRows): ScriptedRows {
        return new ScriptedRows([...this.results, ...following.results]);
    }
}

/** A refusal. */
export class ScriptedRefusal {
    /** @internal */
    constructor(readonly error: SqlError) {}

    /** @internal */
    get reply(): Reply {
        return { sql: { refused: this.error } };
    }

    /** By this constraint. */
    constraint(constraint: string): ScriptedRefusal {
        return new ScriptedRefusal({ ...this.error, constraint });
    }
}
