//! Which item goes on which track, all at once.

/// For each row the column it gets, so that the sum of scores is the largest; none where no pairing helps.
///
/// `scores[row][column]` is none, or not above 0, for a pair that may not be. The method is that of Kuhn and Munkres with
/// potentials (Jonker and Volgenant 1987), in O(rows² · columns); one answer for one input.
pub(super) fn assign(scores: &[Vec<Option<f64>>]) -> Vec<Option<usize>> {
    let may_be = |it: &Option<f64>| it.is_some_and(|it| it.is_finite() && it > 0.0);
    let mut found = vec![None; scores.len()];
    // What can go nowhere is left out: most scenes fall apart into few choices.
    let rows: Vec<usize> = (0..scores.len())
        .filter(|row| scores[*row].iter().any(may_be))
        .collect();
    let width = scores.iter().map(Vec::len).max().unwrap_or(0);
    let columns: Vec<usize> = (0..width)
        .filter(|column| rows.iter().any(|row| may_be(&scores[*row][*column])))
        .collect();
    // A column of its own, at no cost, lets each row stay without a partner.
    let all = columns.len() + rows.len();
    let costs: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let of = |column: &usize| {
                let it = scores[*row][*column].filter(|it| may_be(&Some(*it)));
                it.map_or(FORBIDDEN, |it| -it)
            };
            let alone = std::iter::repeat_n(0.0, rows.len());
            columns.iter().map(of).chain(alone).collect()
        })
        .collect();
    for (row, column) in cheapest(&costs, all).into_iter().enumerate() {
        if column < columns.len() && costs[row][column] < 0.0 {
            found[rows[row]] = Some(columns[column]);
        }
    }
    found
}

/// For each row its column, all at the least cost; no fewer columns than rows.
fn cheapest(costs: &[Vec<f64>], columns: usize) -> Vec<usize> {
    let rows = costs.len();
    let mut row_potential = vec![0.0; rows + 1];
    let mut column_potential = vec![0.0; columns + 1];
    let mut row_of = vec![0_usize; columns + 1];
    for row in 1..=rows {
        let (cheapest_way, end) = shortest_path(
            row,
            columns,
            costs,
            &mut row_potential,
            &mut column_potential,
            &mut row_of,
        );
        let mut column = end;
        while column != 0 {
            let before = cheapest_way[column];
            row_of[column] = row_of[before];
            column = before;
        }
    }
    let mut found = vec![0; rows];
    for (column, row) in row_of.iter().skip(1).enumerate() {
        if let Some(row) = row.checked_sub(1) {
            found[row] = column;
        }
    }
    found
}

/// Dearer than any sum of scores, and small enough to keep precision.
const FORBIDDEN: f64 = 1e6;

/// The cheapest way from `row` to a free column; rows and columns count from 1, column 0 is where the way begins.
fn shortest_path(
    row: usize,
    columns: usize,
    costs: &[Vec<f64>],
    row_potential: &mut [f64],
    column_potential: &mut [f64],
    row_of: &mut [usize],
) -> (Vec<usize>, usize) {
    row_of[0] = row;
    let mut least = vec![f64::INFINITY; columns + 1];
    let mut way = vec![0; columns + 1];
    let mut is_done = vec![false; columns + 1];
    let mut column = 0;
    loop {
        is_done[column] = true;
        let current = row_of[column];
        let (mut delta, mut next) = (f64::INFINITY, 0);
        for j in 1..=columns {
            if is_done[j] {
                continue;
            }
            let reduced = costs[current - 1][j - 1] - row_potential[current] - column_potential[j];
            if reduced < least[j] {
                least[j] = reduced;
                way[j] = column;
            }
            if least[j] < delta {
                delta = least[j];
                next = j;
            }
        }
        for j in 0..=columns {
            if is_done[j] {
                row_potential[row_of[j]] += delta;
                column_potential[j] -= delta;
            } else {
                least[j] -= delta;
            }
        }
        column = next;
        if row_of[column] == 0 {
            return (way, column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_trying_all(scores: &[Vec<Option<f64>>], row: usize, taken: &mut Vec<bool>) -> f64 {
        if row == scores.len() {
            return 0.0;
        }
        let mut best = by_trying_all(scores, row + 1, taken);
        for column in 0..taken.len() {
            if let Some(score) = scores[row][column].filter(|_| !taken[column]) {
                taken[column] = true;
                best = best.max(score + by_trying_all(scores, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    #[test]
    fn the_best_sum_wins_over_the_best_pair() {
        let scores = [vec![Some(0.9), Some(0.8)], vec![Some(0.8), None]];
        assert_eq!(assign(&scores), [Some(1), Some(0)]);
    }

    #[test]
    fn what_may_not_be_is_not() {
        assert_eq!(assign(&[vec![None], vec![None]]), [None, None]);
        assert_eq!(assign(&[vec![Some(f64::NAN)]]), [None]);
        assert_eq!(assign(&[]), []);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_trying_all(
            scores in (1usize..5, 1usize..5).prop_flat_map(|(r, c)| {
                prop::collection::vec(prop::collection::vec(prop::option::of(0.01f64..2.0), c), r)
            })
        ) {
            let columns = scores[0].len();
            let found = assign(&scores);
            let mut sum = 0.0;
            let mut taken = vec![false; columns];
            for (row, column) in found.iter().enumerate() {
                if let Some(column) = *column {
                    prop_assert!(!std::mem::replace(&mut taken[column], true));
                    sum += scores[row][column].unwrap();
                }
            }
            let best = by_trying_all(&scores, 0, &mut vec![false; columns]);
            prop_assert!((sum - best).abs() < 1e-9, "{} is not {}", sum, best);
        }
    }
}
