"""Matrices: products, sums, transposes and determinants, down to their entries."""

from guerdon_math.limits import MAX_ITEMS, NotMath, Undecided
from guerdon_math.tree import Call, Matrix, Node, Product, Quotient, Seq, Sum, negated

_MAX_MATRIX = 4


def as_matrix(node: Node) -> Node:
    """A matrix where the node is one in disguise: a multiple, a transpose, angle brackets."""
    match node:
        case Seq("langle", _, items):
            return Seq("(", ")", items)
        case Call("transpose", [inner]):
            inner = as_matrix(inner)
            if isinstance(inner, Matrix):
                return Matrix([list(row) for row in zip(*inner.rows, strict=True)])
            return Matrix([[item] for item in inner.items]) if isinstance(inner, Seq) else node
        case Product(factors):
            parts = [as_matrix(factor) for factor in factors]
            matrices = [part for part in parts if isinstance(part, Matrix)]
            if not matrices:
                return node
            scalars = [part for part in parts if not isinstance(part, Matrix)]
            matrix = matrices[0]
            for right in matrices[1:]:
                matrix = _matrix_product(matrix, right)
            return Matrix([[Product([*scalars, entry]) for entry in row] for row in matrix.rows]) if scalars else matrix
        case Sum(terms) if all(isinstance(as_matrix(term), Matrix) for term in terms):
            rows = [part.rows for part in map(as_matrix, terms) if isinstance(part, Matrix)]
            if len({(len(r), len(r[0])) for r in rows}) != 1:
                raise NotMath("matrices of different shapes")
            return Matrix(
                [[Sum(list(entries)) for entries in zip(*row, strict=True)] for row in zip(*rows, strict=True)]
            )
        case Quotient(top, bottom) if isinstance(as_matrix(top), Matrix):
            above = as_matrix(top)
            assert isinstance(above, Matrix)
            return Matrix([[Quotient(entry, bottom) for entry in row] for row in above.rows])
        case Call("det", [Matrix(rows)]) if len(rows) <= _MAX_MATRIX and len(rows) == len(rows[0]):
            return determinant(rows)
        case _:
            return node


def _matrix_product(left: Matrix, right: Matrix) -> Matrix:
    if len(left.rows[0]) != len(right.rows):
        raise NotMath("matrices that cannot be multiplied")
    columns = list(zip(*right.rows, strict=True))
    if len(left.rows) * len(columns) * len(columns[0]) > MAX_ITEMS:
        raise Undecided("a large product of matrices")
    return Matrix(
        [[Sum([Product([a, b]) for a, b in zip(row, column, strict=True)]) for column in columns] for row in left.rows]
    )


def determinant(rows: list[list[Node]]) -> Node:
    """The determinant as a sum of products, by the first row."""
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Node] = []
    for column, entry in enumerate(rows[0]):
        minor = [row[:column] + row[column + 1 :] for row in rows[1:]]
        term: Node = Product([entry, determinant(minor)])
        terms.append(negated(term) if column % 2 else term)
    return Sum(terms)
