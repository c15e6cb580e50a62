package view

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s",
		5*time.Hour + 2*time.Minute: "5h02m", 72 * time.Hour: "3d",
	} {
		if got := Age(clienttest.Noon, timestamppb.New(clienttest.Noon.Add(-d))); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := Age(clienttest.Noon, nil); got != "-" {
		t.Error(got)
	}
}
