package fsm

import (
	"testing"

	"github.com/sipcluster/sipcluster/internal/leftover"
)

// lossyd is built once and stays open.
func TestMain(m *testing.M) { leftover.Main(m, "lossyd") }
