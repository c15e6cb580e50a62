package history

import (
	"testing"

	"github.com/sipcluster/sipcluster/internal/leftover"
)

func TestMain(m *testing.M) { leftover.Main(m) }
