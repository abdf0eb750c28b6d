"""What Pillarbox tells clients about itself: settings and ready examples."""
