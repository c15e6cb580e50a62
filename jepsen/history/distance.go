package history

import "time"

// longestLoss is when a cut is noticed at the latest, however far the nodes are.
const longestLoss = 2700 * time.Millisecond

// Far are the bounds where the longest round trip between two nodes is that long: a cut is
// noticed within 0.75 s and three of them, one of a single pair within 1 s and four, and all
// is equal within 2 s and four. 0 gives the defaults.
func Far(trip time.Duration) Bounds {
	b := Bounds{}.WithDefaults()
	if trip == 0 {
		return b
	}
	// The defaults are as much above what is promised at no distance.
	b.LossCut = min(b.LossCut+3*trip, longestLoss+250*time.Millisecond)
	b.LossPair = min(b.LossPair+4*trip, longestLoss+500*time.Millisecond)
	b.LossKill += 2 * trip // the end of the connection arrives, and then the refusal
	b.LossHung += trip
	b.Converge += 4 * trip
	b.ConvergeRestart += 4 * trip
	b.Restart += 4 * trip
	b.Spread += trip
	b.WriteFails += trip
	b.Local += 4 * trip // some phones are in another site than their node
	b.Desktop += 2 * trip
	b.Expiry += 2 * trip
	b.Failover += 4 * trip
	return b
}
