package carrier

import (
	"cmp"
	"slices"
)

// Order is the order in which a call tries the ways of some places: by rank, within a rank
// at random by weight (RFC 2782), and without those that are down. random gives a number
// from 0 to most.
func Order(places []Place, down func(Way) bool, random func(most int) int) (ways []Way) {
	list := slices.Clone(places)
	slices.SortStableFunc(list, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Rank == list[0].Rank {
			n++
		}
		i := draw(list[:n], random)
		for _, w := range list[i].Ways {
			if !down(w) && !slices.Contains(ways, w) {
				ways = append(ways, w)
			}
		}
		list = slices.Delete(list, i, i+1)
	}
	return ways
}

// draw picks one of some places of a rank, in which those without weight come first.
func draw(list []Place, random func(most int) int) int {
	sum := 0
	for i := range list {
		sum += int(list[i].Weight)
	}
	if sum == 0 {
		return random(len(list) - 1) // none is preferred
	}
	at := random(sum)
	for i := range list {
		if at -= int(list[i].Weight); at <= 0 {
			return i
		}
	}
	return len(list) - 1
}
