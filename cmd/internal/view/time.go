package view

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// RFC3339 is "" for no time.
func RFC3339(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339Nano)
}

// Age is how long ago t was, for people: "4s", "3m12s", "5h02m", "12d".
func Age(now time.Time, t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return Span(max(now.Sub(t.AsTime()), 0))
}

// Until is how long it is still to t, as Age writes it.
func Until(now time.Time, t *timestamppb.Timestamp) string { return Span(max(t.AsTime().Sub(now), 0)) }

// Span is a duration for people, as Age writes it.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m" + two(int(d.Seconds())%60) + "s"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h" + two(int(d.Minutes())%60) + "m"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + "d"
	}
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
